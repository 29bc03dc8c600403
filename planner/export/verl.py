"""Settings of verl (volcengine/verl, 0.5 and later, Megatron workers) for a post-training run: Hydra overrides.

How the planner's terms map: verl's train batch is prompts, and a mini-batch is counted in prompts as well; rollout
replicas follow from the chips and the tensor width of one. Names as in ``verl/trainer/config`` (ppo_megatron_trainer).
"""

from __future__ import annotations

from planner.export.quoting import comment, shell_word
from planner.export.settings import Job, Launch

VERL = "verl 0.5"
_ACTOR = "actor_rollout_ref.actor"
_ROLLOUT = "actor_rollout_ref.rollout"


def verl(job: Job) -> Launch:
    """Overrides of ``python -m verl.trainer.main_ppo``."""
    launch = Launch(job, VERL)
    d, p, asked = job.deployment, job.deployment.parallelism, job.asked
    answers = asked.answers_per_prompt or 1
    launch.option("algorithm.adv_estimator", "grpo")
    launch.option("data.train_batch_size", asked.prompts, of="prompts")
    launch.option("data.max_prompt_length", asked.input_tokens, of="input_tokens")
    longest = asked.longest_answer or 4 * (asked.output_tokens or 1)
    launch.option("data.max_response_length", longest, of=("output_tokens", "longest_answer"))
    launch.said(f"Prompts of {asked.input_tokens} tokens are the mean: raise the limit to your longest.")
    launch.option("actor_rollout_ref.model.path", job.model.id, of="model")
    launch.option(f"{_ACTOR}.strategy", "megatron")
    batch = p.global_batch or 1
    if batch % answers == 0:
        launch.option(f"{_ACTOR}.ppo_mini_batch_size", batch // answers, of="global_batch")
    if p.micro_batch is not None:
        launch.option(f"{_ACTOR}.ppo_micro_batch_size_per_gpu", p.micro_batch, of="micro_batch")
    for name, size, of in (
        ("tensor_model_parallel_size", p.tp, "tp"),
        ("pipeline_model_parallel_size", p.pp, "pp"),
        ("context_parallel_size", p.cp, "cp"),
        ("expert_model_parallel_size", p.ep, "ep"),
    ):
        launch.option(f"{_ACTOR}.megatron.{name}", size, of=of)
    if p.vpp > 1:
        launch.option(f"{_ACTOR}.megatron.virtual_pipeline_model_parallel_size", p.vpp, of=("vpp", "schedule"))
    else:
        launch.said("No interleaved stages.", of=("vpp", "schedule"))
    launch.said(f"Data parallelism of {p.dp} follows from the chips.", of="dp")
    r = p.rollout
    if r is not None:
        launch.option(f"{_ROLLOUT}.name", asked.engine.partition(" ")[0] or "vllm", of="engine")
        launch.option(f"{_ROLLOUT}.n", answers, of="answers_per_prompt")
        launch.option(f"{_ROLLOUT}.tensor_model_parallel_size", r.tp)
        if r.dp > 1:
            launch.option(f"{_ROLLOUT}.data_parallel_size", r.dp)
        if r.ep > 1:
            launch.option(f"{_ROLLOUT}.expert_parallel_size", r.ep)
        where = "the same chips, one after the other" if r.placement == "together" else "chips of their own"
        launch.said(f"{r.replicas} rollout replicas on {where}.", of="rollout")
        if r.placement == "apart":
            launch.said("Apart, verl's one-step-off recipe (recipe/one_step_off_policy) starts both sides.")
    launch.option("trainer.n_gpus_per_node", job.chips_per_node)
    launch.option("trainer.nnodes", job.nodes)
    launch.option("trainer.total_training_steps", asked.steps, of="steps")
    launch.said(f"{d.replicas} run.", of=("replicas", "role"))
    return launch


def verl_script(job: Job) -> str:
    """The overrides as a shell array, with what must be known beside them."""
    launch = verl(job)
    options = "".join(f"  {shell_word(f'{name}={value}')}\n" for name, value in launch.options)
    return comment(launch.comments()) + f"VERL_ARGS=(\n{options})\n"
