"""Low-rank adapters (LoRA): in training in place of a backbone's weights, afterwards added to them."""

from torch import nn

from stepladder.study.specs.prms import Lora


def add_adapters(backbone: nn.Module, spec: Lora) -> None:
    """Puts adapters beside every linear layer; of the backbone only they have gradients then.

    Their first half is drawn from torch's seed, the other is zero, so that nothing changes before training.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, lora_dropout=spec.dropout, target_modules="all-linear")
    inject_adapter_in_model(config, backbone)


def merge_adapters(backbone: nn.Module) -> None:
    """Adds the adapters to the weights and takes them away: the backbone has its first form again."""
    from peft.tuners.lora import LoraLayer

    for name, layer in list(backbone.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            backbone.set_submodule(name, layer.get_base_layer())
    del backbone.peft_config
