"""Is the representation any good? Benchmarks of models, and what is wrong with the benchmarks."""

from hexamer.benchmark.audit import Audit, audit, read_sequences, show_audit
from hexamer.benchmark.leaderboard import published
from hexamer.benchmark.own_data import HOLD_OUTS, Labelled, hold_out_rows, read_labelled
from hexamer.benchmark.protocol import BenchmarkSettings, Cell, audit_task, run_task
from hexamer.benchmark.results import compare_methods, list_scores, put_beside, summarise_cells
from hexamer.benchmark.run import BenchmarkRun, run_benchmark
from hexamer.benchmark.splice_suite import SpliceSuite, build_splice_suite
from hexamer.benchmark.task_data import Split, TaskData, load_task
from hexamer.benchmark.tasks import Suite, Task, list_suites, read_suite

__all__ = [
    "HOLD_OUTS",
    "Audit",
    "BenchmarkRun",
    "BenchmarkSettings",
    "Cell",
    "Labelled",
    "SpliceSuite",
    "Split",
    "Suite",
    "Task",
    "TaskData",
    "audit",
    "audit_task",
    "build_splice_suite",
    "compare_methods",
    "hold_out_rows",
    "list_scores",
    "list_suites",
    "load_task",
    "published",
    "put_beside",
    "read_labelled",
    "read_sequences",
    "read_suite",
    "run_benchmark",
    "run_task",
    "show_audit",
    "summarise_cells",
]
