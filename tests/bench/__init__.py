"""Benchmarks: what `make bench` measures, each as samples taken in one run.

A module ``bench_*.py`` of this folder holds measures: generator functions under
:func:`tests.bench.measure.measure`.
"""
