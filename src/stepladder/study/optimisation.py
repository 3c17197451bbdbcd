"""Settings of the one trainer, shared by every stage that trains."""

from typing import Literal

from pydantic import Field, field_validator

from stepladder.study.fields import (
    Betas,
    Count,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Spec,
)


class Optimisation(Spec):
    """Batches, optimiser, schedule and launch of one training."""

    batch_size: PositiveInt = Field(32, description="rows in one optimizer step, over all ranks")
    micro_batch: PositiveInt | None = Field(None, description="rows in one forward pass of one rank; changes no result")
    epochs: PositiveFloat | None = Field(1.0, description="passes over the rows; alternative to steps")
    steps: Count | None = Field(None, description="optimizer steps; goes before epochs")
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="muon: for hidden matrices, with adamw for embeddings, norms and heads"
    )
    learning_rate: PositiveFloat = 1e-5
    muon_learning_rate: PositiveFloat = 0.015
    betas: Betas = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    warmup: Fraction = Field(0.03, description="share of the steps with rising learning rate")
    decay: Fraction = Field(1.0, description="share of the steps, at the end, with the learning rate falling to 0")
    schedule: Literal["linear", "cosine"] = Field("linear", description="how the learning rate falls")
    clip_norm: PositiveFloat | None = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    processes: PositiveInt = Field(1, description="ranks started by the launcher")
    deepspeed: Literal["none", "zero2", "zero3"] = "none"
    offload: bool = Field(False, description="the optimiser's state in main memory, on whose processor it then runs")
    gradient_checkpointing: bool = False
    packed: bool = Field(
        False, description="the sequences of a micro-batch in one row, without padding; of causal models only"
    )

    @field_validator("deepspeed")
    @classmethod
    def _muon_needs_whole_matrices(cls, value: str, info) -> str:
        if value != "none" and info.data.get("optimizer") == "muon":
            raise ValueError("muon needs whole matrices, which ZeRO splits: use adamw or deepspeed: none")
        return value

    @field_validator("offload")
    @classmethod
    def _zero_offloads(cls, value: bool, info) -> bool:
        if value and info.data.get("deepspeed") == "none":
            raise ValueError("is DeepSpeed's: choose deepspeed: zero2 or zero3")
        return value
