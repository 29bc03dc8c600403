"""What a plan decided, in the form in which others act on it: launch settings, job sizes, a bill of materials.

    for            what is written
    megatron       options of Megatron-LM for each training run
    vllm, sglang   flags of the server for each serving deployment
    slurm          an sbatch file for each run or load, with the settings above in it
    kubernetes     PyTorchJob, LeaderWorkerSet or Deployment, likewise
    bom            what is bought, line by line, as CSV and XLSX

No setting of a plan is dropped in silence: what a tool has no option for is listed in a comment (``settings.Launch``).
"""

from planner.export.write import FORMATS, ExportFile, export_plan

__all__ = ["FORMATS", "ExportFile", "export_plan"]
