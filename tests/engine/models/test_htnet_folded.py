"""Folded HTNet: refusal where the result would be another function."""

import pytest
import torch
from torch import nn

from htnet.engine.errors import UsageError
from htnet.engine.models.htnet import COMPACT, HTNet, HTNetConfig
from htnet.engine.models.htnet_folded import FoldedHTNet

CONFIG = HTNetConfig(dim=12, repeats=(1, 1, 1))


def made(config: HTNetConfig = CONFIG) -> HTNet:
    torch.manual_seed(0)
    return HTNet(config).eval().requires_grad_(False)


@pytest.mark.parametrize("config", [CONFIG, COMPACT, HTNetConfig(image_size=56, dim=12)])
def test_it_holds_no_more_than_it_needs(config: HTNetConfig) -> None:
    network = made(HTNetConfig(**{**_fields(config), "repeats": (1, 1, 1)}))
    folded = FoldedHTNet(network)
    kept = sum(buffer.numel() for buffer in folded.buffers())
    of = sum(parameter.numel() for parameter in network.parameters())
    assert kept < 0.88 * of if config.block_side == 1 else kept <= of + 5000


def _fields(config: HTNetConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_a_network_in_training_mode() -> None:
    with pytest.raises(UsageError, match="training mode"):
        FoldedHTNet(made().train())
    network = made(HTNetConfig(dim=12, repeats=(1, 1, 1), dropout=0.5))
    FoldedHTNet(network)  # dropout does nothing in eval mode
    next(each for each in network.modules() if isinstance(each, nn.Dropout)).train()
    with pytest.raises(UsageError, match="training mode"):
        FoldedHTNet(network)


def test_a_network_that_goes_its_own_way() -> None:
    class Other(HTNet):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return super().forward(pictures) + 1

    with pytest.raises(UsageError, match="Other, which may go its own way"):
        FoldedHTNet(Other(CONFIG).eval())
    network = made()
    network.mlp_head.register_forward_hook(lambda *_: None)
    with pytest.raises(UsageError, match="hooks on Sequential"):
        FoldedHTNet(network)


def test_a_network_in_other_numbers() -> None:
    with pytest.raises(UsageError, match="in float32"):
        FoldedHTNet(made().double())


def test_products_that_float32_does_not_hold() -> None:
    """Value and output matrices are in range one after the other, their product is not."""
    network = made()
    attention = network.layers[0][0].layers[0][0]
    attention.norm.g.fill_(1e-30)
    attention.fn.to_qkv.weight.fill_(1e30)
    attention.fn.to_out[0].weight.fill_(1e30)
    with pytest.raises(UsageError, match="use it unfolded"):
        FoldedHTNet(network)


def test_a_module_put_in_anothers_place() -> None:
    """A replaced module that the folding ignores is found by the logits."""
    network = made()

    class Louder(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    head = Louder(48, 3)
    head.load_state_dict(network.mlp_head[2].state_dict())
    network.mlp_head[2] = head.eval()
    with pytest.raises(UsageError, match="gives its logits"):
        FoldedHTNet(network)
