"""Networks of the registry: built from their configs, run, stacked as in the training loop."""

import dataclasses
import json
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from htnet.engine.errors import DependencyError
from htnet.engine.models.alexnet import AlexNetConfig
from htnet.engine.models.dual_inception import DualInceptionConfig
from htnet.engine.models.htnet import HTNetConfig
from htnet.engine.models.hyphtnet import HypHTNetConfig
from htnet.engine.models.off_apexnet import OffApexNetConfig
from htnet.engine.models.rcn import RCN, RCNConfig
from htnet.engine.models.registry import (
    NETWORKS,
    TrainingForm,
    WithExtraLoss,
    build,
    config_from_json,
    config_to_json,
)
from htnet.engine.models.ststnet import STSTNetConfig

SMALL: dict[str, Any] = {
    "htnet": HTNetConfig(dim=8, heads=2, repeats=(1, 1, 1)),
    "hyphtnet": HypHTNetConfig(dim=8, heads=2, repeats=(1, 1, 1), embedding=16),
    "ststnet": STSTNetConfig(dropout=0),
    "off-apexnet": OffApexNetConfig(hidden=16, dropout=0),
    "dual-inception": DualInceptionConfig(widths=(2, 3), hidden=16, dropout=0),
    "rcn": RCNConfig(width=8, dropout=0),
    "alexnet": AlexNetConfig(widths=(4, 6, 8, 6, 6), hidden=16, dropout=0),
}
VARIANTS = [
    *SMALL.items(),
    ("rcn", RCNConfig(width=8, dropout=0, wide=True)),
    ("rcn", RCNConfig(width=8, dropout=0, shortcut=True)),
    ("rcn", RCNConfig(width=8, dropout=0, attention=True)),
    ("hyphtnet", dataclasses.replace(SMALL["hyphtnet"], metric="poincare")),
    ("hyphtnet", dataclasses.replace(SMALL["hyphtnet"], metric="poincare", head="hyperbolic")),
]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("htnet", "hyphtnet")])
@torch.no_grad()
def test_default_runs_from_its_config_alone(name: str) -> None:
    config = config_from_json(name, config_to_json(NETWORKS[name].config))
    network = build(name, config).eval()
    logits = network(torch.randn(2, 3, 28, 28))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()
    assert network.config == config


@pytest.mark.parametrize(("name", "config"), VARIANTS)
def test_a_judged_picture_does_not_depend_on_its_neighbours(name: str, config: Any) -> None:
    config = config_from_json(name, config_to_json(config))
    network = build(name, config).eval()
    pictures = torch.randn(3, 3, 28, 28)
    with torch.no_grad():
        alone = torch.cat([network(picture[None]) for picture in pictures])
        torch.testing.assert_close(network(pictures), alone, atol=1e-5, rtol=1e-5)
    assert alone.shape == (3, 3)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("htnet", 114.429446),
        ("htnet-s", 0.546822),
        ("hyphtnet", 139.716486),
        ("ststnet", 0.001683),
        ("off-apexnet", 2.664475),  # others report 2.66
        ("dual-inception", 6.449867),  # and 6.45
        ("rcn", 0.048067),
        ("alexnet", 23.440195),
    ],
)
def test_parameters_are_as_told(name: str, millions: float) -> None:
    with torch.device("meta"):
        network = build(name)
    assert sum(p.numel() for p in network.parameters()) == round(millions * 1e6)
    told = sys.modules[type(network).__module__].__doc__ or ""
    assert f"{round(millions * 1e6):,}" in told


@pytest.mark.parametrize("name", ["off-apexnet", "dual-inception"])
@torch.no_grad()
def test_two_streams_see_u_and_v_alone(name: str) -> None:
    config = dataclasses.replace(SMALL[name], streams=(2, 1))
    network = build(name, config).eval()
    maps = torch.randn(2, 3, 28, 28)
    logits = network(maps)
    for channel, seen in ((0, False), (1, True), (2, True)):
        changed = maps.clone()
        changed[:, channel] += 1 + torch.randn(28, 28)
        assert torch.equal(network(changed), logits) is not seen


@torch.no_grad()
def test_attention_of_rcn_is_between_nothing_and_all() -> None:
    network = RCN(RCNConfig(width=8, attention=True)).eval()
    weights = network.activation(torch.randn(4, 8, 12, 12))
    assert weights.shape == (4, 1, 3, 3)
    assert weights.min() >= 0 and weights.max() <= 1
    assert network(torch.zeros(1, 3, 28, 28)).isfinite().all()  # nothing moves


def _step(outputs: tuple[Tensor, Any], labels: Tensor, network: nn.Module) -> Tensor:
    logits, extra = outputs
    loss = nn.functional.cross_entropy(logits, labels)
    if isinstance(network, WithExtraLoss):
        share = 0.3  # more than by default, so that a wrong gradient shows
        loss = (1 - share) * loss + share * network.extra_loss(extra, labels)
    return loss


@pytest.mark.parametrize(("name", "config"), VARIANTS)
def test_two_folds_at_once_are_two_folds(name: str, config: Any) -> None:
    """Gradients and running statistics of a stacked step are those of two steps."""
    # In double, or rounding decides which of two near pixels a max pool takes.
    forms = [TrainingForm(build(name, config)).double().train() for _ in range(2)]
    pictures, labels = torch.randn(2, 6, 3, 28, 28).double(), torch.tensor([[0, 1, 2, 0, 1, 2]] * 2)
    kinds = [[dict(m.named_parameters()) for m in forms], [dict(m.named_buffers()) for m in forms]]
    parameters, buffers = (
        {key: torch.stack([each[key].detach().clone() for each in kind]) for key in kind[0]}
        for kind in kinds
    )
    for tensor in parameters.values():
        tensor.requires_grad_()

    def one(own: dict[str, Tensor], state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return _step(functional_call(forms[0], (own, state), (x,)), y, forms[0].network)

    before = {key: value.clone() for key, value in forms[0].named_buffers()}
    losses = vmap(one, randomness="different")(parameters, buffers, pictures, labels)
    torch.autograd.backward(losses.sum())
    for key, value in forms[0].named_buffers():  # the base network's own are not touched
        assert torch.equal(value, before[key])
    for fold, form in enumerate(forms):
        loss = _step(form(pictures[fold]), labels[fold], form.network)
        torch.autograd.backward(loss)
        torch.testing.assert_close(losses[fold], loss, atol=1e-9, rtol=0)
        for key, parameter in form.named_parameters():
            stacked, own = parameters[key].grad, parameter.grad
            assert stacked is not None and own is not None, key
            torch.testing.assert_close(stacked[fold], own, atol=1e-9, rtol=0, msg=key)
        for key, buffer in form.named_buffers():
            torch.testing.assert_close(buffers[key][fold], buffer, atol=1e-9, rtol=0, msg=key)


@pytest.mark.parametrize("name", NETWORKS)
def test_configs_find_the_channels_of_their_preprocessing(name: str) -> None:
    config, spec = NETWORKS[name].config, NETWORKS[name].spec
    named = [spec.channels[channel] for channel in getattr(config, "streams", ())]
    assert named == ["u", "v", "strain"][: len(named)]
    if getattr(config, "mirror", False):
        assert spec.channels[config.mirror_channel] == "u"


def test_a_network_without_extra_loss_says_so() -> None:
    form = TrainingForm(build("htnet", SMALL["htnet"]))
    assert not isinstance(form.network, WithExtraLoss)
    _, extra = form(torch.zeros(1, 3, 28, 28))
    assert extra == ()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *[(name, {"classes": 0}) for name in NETWORKS],
        *[(name, {"image_size": -28}) for name in NETWORKS],
        *[(name, {"image_size": 1 << 20}) for name in NETWORKS],
        *[(name, {"classes": 3.0}) for name in NETWORKS],
        *[(name, {"classes": True}) for name in NETWORKS],
        *[(name, {"channels": "3"}) for name in NETWORKS],
        *[(name, {"nose": 1}) for name in NETWORKS],
        *[
            (name, {"dropout": share})
            for name in NETWORKS
            if hasattr(NETWORKS[name].config, "dropout")
            for share in (1, -0.1, float("nan"), float("inf"))
        ],
        ("htnet", {"mirror_channel": 3}),
        ("htnet", {"mirror": 1}),
        ("hyphtnet", {"metric": "hamming"}),
        ("hyphtnet", {"metric": 1}),
        ("hyphtnet", {"head": "Euclidean"}),
        ("hyphtnet", {"curvature": 0}),
        ("hyphtnet", {"clip": -1}),
        ("hyphtnet", {"temperature": float("nan")}),
        ("hyphtnet", {"contrast": 1.5}),
        ("hyphtnet", {"embedding": 0}),
        ("hyphtnet", {"repeats": []}),
        ("ststnet", {"widths": [3, 5]}),
        ("ststnet", {"widths": ["3", "5", "8"]}),
        ("ststnet", {"image_size": 1}),
        ("off-apexnet", {"streams": [0, 0]}),
        ("off-apexnet", {"streams": [0, 3]}),
        ("off-apexnet", {"image_size": 3}),
        ("dual-inception", {"streams": [0]}),
        ("dual-inception", {"widths": [6]}),
        ("rcn", {"width": 6}),
        ("rcn", {"wide": "yes"}),
        ("alexnet", {"image_size": 14}),
        ("alexnet", {"widths": []}),
        ("svm", {"kernel": "poly"}),
        ("svm", {"size": 29}),
        ("svm", {"supports": 0}),
        ("svm", {"gamma": -1.0}),
        ("svm", {"penalty": 0}),
        ("svm", {"classes": 2}),
        ("bi-woof", {"streams": [0, 1]}),
        ("bi-woof", {"bins": 0}),
    ],
)
def test_nonsense_is_refused(name: str, changes: dict[str, Any]) -> None:
    values = json.loads(config_to_json(NETWORKS[name].config))
    with pytest.raises(ValueError):
        config_from_json(name, json.dumps({**values, **changes}))


def test_without_geoopt_the_plain_head_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geoopt.manifolds.stereographic.math", None)
    pictures = torch.randn(2, 3, 28, 28)
    network = build("hyphtnet", SMALL["hyphtnet"]).eval()
    assert network(pictures).shape == (2, 3)
    hyperbolic = dataclasses.replace(SMALL["hyphtnet"], head="hyperbolic")
    with pytest.raises(DependencyError, match="pip install"):
        build("hyphtnet", hyperbolic).eval()(pictures)
