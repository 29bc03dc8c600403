"""Job sizes for Slurm and Kubernetes: servers, chips of each, replicas, and the launch settings inside.

Nothing of a site is known here (partitions, images, data): what a site must fill in stands in capitals or is a
variable, and every file says so at its head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from planner.export.megatron import megatron
from planner.export.quoting import Variable, comment, kubelet_word, shell_word, shell_words, yaml_text
from planner.export.serving import MASTER, PORT, vllm
from planner.export.settings import Job, Launch, about
from planner.export.stacks import RESOURCE_UNKNOWN

FILL_IN = "To be filled in for the site: image, checkpoint and data paths, partition or queue, network settings."
LAUNCHES: Mapping[str, Callable[[Job], Launch]] = {"train": megatron, "serve": vllm, "prefill": vllm, "decode": vllm}


def command(job: Job) -> tuple[list[str], Launch]:
    """The words that start one server of a replica, and the options behind them."""
    launch = LAUNCHES[job.deployment.role](job)
    if job.deployment.role == "train":
        return ["pretrain_gpt.py", *launch.argv()], launch
    return ["vllm", "serve", job.model.id, *launch.argv()], launch


def slurm(job: Job) -> str:
    """An sbatch file: one job for a run, an array with a task for each replica of a load."""
    d = job.deployment
    words, launch = command(job)
    days = d.predicted.days or 0.0
    ask = [
        f"--job-name={job.name}",
        f"--nodes={job.nodes}",
        "--ntasks-per-node=1",
        f"--gres={job.stack.gres}:{job.chips_per_node}",
    ]
    if job.chips_per_node == job.chips_per_server:
        ask.append("--exclusive")
    if d.role == "train":
        if days:
            ask.append(f"--time={_slurm_time(days)}")
        ask.append("--requeue")
    elif d.replicas > 1:
        ask.append(f"--array=0-{d.replicas - 1}")
    head = [*launch.comments(), FILL_IN]
    if d.role == "train" and d.spares:
        head.append(f"{d.spares} spare system(s) stay outside the job, in a reservation, to replace failed ones.")
    if d.role == "train" and days:
        head.append(f"--time is the {days:.1f} days expected, failures included; a queue's limit may want it in parts.")
    body = [
        "set -euo pipefail",
        'MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        "export MASTER_ADDR",
    ]
    if d.role == "train":
        start = f"torchrun --nnodes={job.nodes} --nproc-per-node={job.chips_per_node} --node-rank=$SLURM_NODEID"
        start += f" --master-addr={MASTER} --master-port={PORT} {shell_words(words)}"
    else:
        local = _copies_on_a_server(job)
        start = "export NODE_RANK=$SLURM_NODEID; "
        if local:
            start += f"export DP_START_RANK=$(({local} * SLURM_NODEID)); "
        if job.nodes > 1:
            start += 'HEADLESS=; if [ "$SLURM_NODEID" != 0 ]; then HEADLESS=--headless; fi; '
        start += shell_words(words) + (" $HEADLESS" if job.nodes > 1 else "")
    body.append("srun bash -c " + shell_word(start))
    directives = "".join(f"#SBATCH {line}\n" for line in ask)
    return "#!/usr/bin/env bash\n" + directives + comment(head) + "\n".join(body) + "\n"


def _slurm_time(days: float) -> str:
    """Days-hours, whole hours, never less than the days."""
    hours = max(1, math.ceil(days * 24.0 - 1e-9))
    return f"{hours // 24}-{hours % 24:02d}:00:00"


def _copies_on_a_server(job: Job) -> int:
    """Copies of attention on one server where a replica spans several; 0 where a copy itself does."""
    p = job.deployment.parallelism
    copy = p.tp * p.pp
    return job.chips_per_server // copy if job.nodes > 1 and p.dp > 1 and copy <= job.chips_per_server else 0


def kubernetes(job: Job) -> str:
    """A PyTorchJob for a run; a Deployment for replicas of one server, a LeaderWorkerSet for larger ones."""
    words, launch = command(job)
    head = [*launch.comments(), FILL_IN]
    if job.stack.resource == RESOURCE_UNKNOWN:
        head.append(f"No Kubernetes resource of {job.chip.vendor} chips is known here: replace {RESOURCE_UNKNOWN}.")
    if job.deployment.role == "train":
        made = _pytorch_job(job, words)
    elif job.nodes == 1:
        made = _deployment(job, words)
    else:
        made = _leader_worker_set(job, words)
    return comment(head) + yaml_text(made)


def _container(
    job: Job, words: list[str], *, name: str = "main", env: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "image": "IMAGE"}
    words = [w if isinstance(w, Variable) else kubelet_word(w) for w in words]
    shell = any(isinstance(w, Variable) for w in words)
    made["command"] = ["bash", "-c", "exec " + shell_words(words)] if shell else words
    if env:
        made["env"] = env
    made["resources"] = {"limits": {job.stack.resource: job.chips_per_node}}
    return made


def _meta(job: Job) -> dict[str, Any]:
    return {"name": job.name, "labels": {"app": job.name}}


def _pytorch_job(job: Job, words: list[str]) -> dict[str, Any]:
    run = ["torchrun", f"--nnodes={job.nodes}", f"--nproc-per-node={job.chips_per_node}"]
    run += [Variable("--node-rank=$RANK"), Variable(f"--master-addr={MASTER}"), Variable("--master-port=$MASTER_PORT")]
    text = "exec " + shell_words([*run, *(w if isinstance(w, Variable) else kubelet_word(w) for w in words)])
    container = _container(job, words, name="pytorch")
    container["command"] = ["bash", "-c", text]

    def replica(count: int) -> dict[str, Any]:
        return {"replicas": count, "restartPolicy": "OnFailure", "template": {"spec": {"containers": [container]}}}

    replicas = {"Master": replica(1)}
    if job.nodes > 1:
        replicas["Worker"] = replica(job.nodes - 1)
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": _meta(job),
        "spec": {"nprocPerNode": str(job.chips_per_node), "pytorchReplicaSpecs": _plain(replicas)},
    }


def _deployment(job: Job, words: list[str]) -> dict[str, Any]:
    labels = {"app": job.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(job),
        "spec": {
            "replicas": job.deployment.replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [_container(job, words)]}},
        },
    }


def _leader_worker_set(job: Job, words: list[str]) -> dict[str, Any]:
    env: list[dict[str, Any]] = [
        {"name": "MASTER_ADDR", "value": "$(LWS_LEADER_ADDRESS)"},
        {
            "name": "NODE_RANK",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']"}},
        },
    ]
    local = _copies_on_a_server(job)
    start = f"DP_START_RANK=$(({local} * NODE_RANK)); " if local else ""

    quoted = shell_words(w if isinstance(w, Variable) else kubelet_word(w) for w in words)

    def pod(more: str) -> dict[str, Any]:
        container = _container(job, words, env=env)
        container["command"] = ["bash", "-c", f"{start}exec {quoted}{more}"]
        return {"spec": {"containers": [container]}}

    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": _meta(job),
        "spec": {
            "replicas": job.deployment.replicas,
            "leaderWorkerTemplate": _plain(
                {"size": job.nodes, "leaderTemplate": pod(""), "workerTemplate": pod(" --headless")}
            ),
        },
    }


def _plain(data: Any) -> Any:
    """A copy in which nothing is shared, so that YAML needs no anchors."""
    if isinstance(data, dict):
        return {k: _plain(v) for k, v in data.items()}
    return [_plain(v) for v in data] if isinstance(data, list) else data


def script(job: Job, launch: Launch) -> str:
    """The options as a shell array, with what must be known beside them: for any launcher of one's own."""
    name = {"train": "MEGATRON_ARGS"}.get(job.deployment.role, "SERVER_ARGS")
    options = "".join(f"  {line}\n" for line in launch.lines())
    return comment(launch.comments()) + f"{name}=(\n{options})\n"


__all__ = ["FILL_IN", "about", "command", "kubernetes", "script", "slurm"]
