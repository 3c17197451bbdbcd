"""Models: made from a config, published, or on disk."""

from typing import Annotated, Literal

from pydantic import Field

from stepladder.study.fields import MIRRORED_SETS, PositiveFloat, PositiveInt, Spec, WorldSets


class NewModel(Spec):
    """An untrained model from its config, with its own tokenizer trained on the generated world."""

    source: Literal["new"]
    architecture: Literal["llama", "qwen2", "bert"] = Field("llama", description="bert: for pair heads only")
    vocab_size: PositiveInt = Field(1024, ge=512)
    sets: WorldSets = Field(MIRRORED_SETS, description="families whose text the tokenizer is trained on")
    hidden_size: PositiveInt = 64
    intermediate_size: PositiveInt = 160
    layers: PositiveInt = 3
    heads: PositiveInt = 4
    kv_heads: PositiveInt = 2
    head_size: PositiveInt = Field(32, multiple_of=32, description="width of a head; the CPU engine wants 32, 64, ...")
    max_length: PositiveInt = Field(1024, description="longest sequence, in tokens")
    init_std: PositiveFloat = 0.05


# Left out of a job's params: another number of weights asks for other resources and gives the same result.
Weights = Annotated[
    PositiveFloat, Field(exclude=True, description="number of weights; memory and time of its jobs grow with it")
]


class HubModel(Spec):
    """A published checkpoint."""

    source: Literal["hub"]
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the hub")
    revision: str = Field("main", description="commit or tag; pin it")
    parameters: Weights = 7e9


class LocalModel(Spec):
    """A checkpoint on disk, in the folder that the setting `models_dir` names."""

    source: Literal["local"]
    folder: str = Field(pattern=r"^\w[\w.-]*$", description="name of the checkpoint's folder inside models_dir")
    parameters: Weights = 7e9


Model = Annotated[NewModel | HubModel | LocalModel, Field(discriminator="source")]
