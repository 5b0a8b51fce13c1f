"""course_lib: the library behind *Seeing Without Labels*.

Rooms (imports go one way; CONTRIBUTING.md has the map): ``data`` (where pixels come from), ``transforms``
(what a pretext task does to them), ``models`` (networks that know no task), ``methods`` (one file per
method), ``baselines``, ``training`` (one loop), ``evaluation`` (arrays in, numbers out), ``show`` (figures
and widgets), ``exercises``, ``claims`` (what held), ``runtime`` (what a chapter calls first), ``cli``.
"""

__version__ = "0.1.0"
