"""How fast the library is, against how the same is usually done: ``python -m tests.benchmarks.run_all``.

Each ``bench_*`` module has ``main() -> list[dict]``; a row is a comparison (``name``, ``ours``, ``other``,
``ratio``, ``aim``, ``unit``; ratio = other / ours for times), or a measurement (``name``, ``value``, ``unit``,
``aim``).
"""
