"""Answers to the exercises, one module per chapter.

``RIGHT``: (check, a right answer). ``MISTAKES``: (check, a typical wrong answer, words of the hint it must get).
"""
