"""Logs that people have, as cells of a row of measurements: one reader a family of tools.

    benchmarks   load generators: vLLM, SGLang, GenAI-Perf and AIPerf (JSON)
    trainers     Megatron-LM, torchtitan (text)
    mlperf       result folders and files of MLPerf inference and training

Which one a log is of is told by what stands in it. A log says what was measured and often the load or the layout; what
it does not say, the row that names it must.
"""

from planner.validation.own.readers.told import cells_of

__all__ = ["cells_of"]
