"""Video networks: published sizes, torchvision's own answers, inflation, what depends on the order of the frames."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib import evaluation, models
from course_lib.models import C3D, I3D, R3D, TSN, R2Plus1D, SmallAlexNet, TwoStream, inflate


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def clips_of(generator, batch=2, length=8, channels=3, size=32):
    return torch.rand(batch, length, channels, size, size, generator=generator)


def small(**options):
    return SmallAlexNet(4, 12, image_size=32, **options)


def tiny_c3d(**options):
    shape = {"width": 4, "blocks": (1, 1, 1), "dense": 1, "clip_length": 8, "image_size": 32, "norm": "batch"}
    return C3D(16, **{**shape, **options})


NETWORKS = {
    "c3d": tiny_c3d,
    "t3d": lambda: tiny_c3d(kernel_depth=(1, 3, 5)),
    "r3d": lambda: R3D(4, (1, 1), stem_kernel=(3, 5, 5)),
    "r2plus1d": lambda: R2Plus1D(4, (1, 1), stem_kernel=(3, 5, 5)),
    "single": lambda: models.SingleFrame(small()),
    "late": lambda: models.LateFusion(small(), 10),
    "early": lambda: models.EarlyFusion(small(in_channels=24), 8),
    "slow": lambda: models.SlowFusion(small(), 8),
    "pool conv": lambda: models.TemporalPooling(small(), 10),
    "pool late": lambda: models.TemporalPooling(small(), 10, how="late"),
    "pool slow": lambda: models.TemporalPooling(small(), 10, how="slow"),
    "lrcn": lambda: models.LRCN(small(), 9),
    "tsn": lambda: TSN(small(), 3),
}
BAGS = ("single", "pool conv", "pool late")


# ---- sizes


@pytest.mark.parametrize(
    ("build", "classes", "count"),
    [
        (C3D, 101, 78_409_573),
        (R3D, 400, 33_371_472),
        (R2Plus1D, 400, 31_505_325),
        (I3D, 400, 12_697_264),
    ],
)
def test_full_networks_have_the_published_number_of_parameters(build, classes, count):
    with torch.device("meta"):
        backbone = build()
        assert parameters(backbone) + parameters(nn.Linear(backbone.features, classes)) == count
        backbone.eval()
        assert backbone(torch.empty(2, 16, 3, 112, 112)).shape == (2, backbone.features)


def test_variants_of_the_seeds_have_their_sizes():
    with torch.device("meta"):
        theirs = R3D(stem_kernel=(7, 7, 7), stem_pool=True)  # 002
        assert parameters(theirs) == 33_203_904
        assert theirs.maps(torch.empty(1, 16, 3, 56, 56)).shape == (1, 512, 1, 2, 2)
        assert C3D().map_shape == (512, 1, 4, 4)
        assert I3D().eval().maps(torch.empty(1, 64, 3, 224, 224)).shape == (1, 1024, 8, 7, 7)
        assert parameters(R3D(8, (1, 1, 1, 1), stem_kernel=(3, 5, 5))) == 226_392


@pytest.mark.parametrize(("ours", "theirs"), [(R3D, "r3d_18"), (R2Plus1D, "r2plus1d_18")])
def test_residual_networks_compute_what_torchvision_computes(ours, theirs, generator):
    reference = getattr(torchvision.models.video, theirs)(num_classes=7).eval()
    net = ours().eval()
    missing = net.load_state_dict(reference.state_dict(), strict=False)
    assert not missing.missing_keys
    assert set(missing.unexpected_keys) == {"fc.weight", "fc.bias"}
    reference.fc = nn.Identity()
    clips = clips_of(generator, 1, 4, size=32)
    with torch.inference_mode():
        torch.testing.assert_close(net(clips), reference(clips.transpose(1, 2) * 2 - 1), rtol=1e-4, atol=1e-5)


@given(inputs=st.integers(1, 600), outputs=st.integers(1, 600), depth=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_mid_planes_is_the_largest_width_within_the_parameters_of_the_whole_kernel(inputs, outputs, depth):
    middle, whole = models.mid_planes(inputs, outputs, depth), depth * 9 * inputs * outputs
    cost = 9 * inputs + depth * outputs
    assert middle * cost <= whole < (middle + 1) * cost


# ---- shapes, gradients, learning


@pytest.mark.parametrize("name", NETWORKS)
def test_features_have_the_promised_size_and_every_frame_that_is_used_gets_a_gradient(name, generator):
    net = NETWORKS[name]()
    clips = clips_of(generator, 3).requires_grad_()
    out = net(clips)
    assert out.shape == (3, net.features)
    out.square().sum().backward()
    reached = (clips.grad.abs().sum((0, 2, 3, 4)) > 0).sum()
    assert reached == {"late": 2, "tsn": 3}.get(name, 8)
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_it_can_learn_by_heart(name, generator):
    clips, labels = clips_of(generator, 8, size=32), torch.arange(8) % 4
    torch.manual_seed(0)
    method = evaluation.Supervised(NETWORKS[name](), 4, flip=False)
    optimiser = torch.optim.AdamW(method.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        parts = method.training_loss((clips, labels), generator)
        parts["loss"].backward()
        optimiser.step()
        if parts["loss"] < 0.1:
            return
    raise AssertionError(f"the loss is still {parts['loss']:.3f}")


@pytest.mark.parametrize("name", NETWORKS)
def test_only_bags_of_frames_ignore_the_order(name, generator):
    net = NETWORKS[name]().double().eval()
    for module in net.modules():  # fresh statistics make some networks almost linear
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    clips = clips_of(generator, 4).double()
    shuffled = clips[:, torch.tensor([3, 0, 6, 1, 7, 4, 2, 5])]
    with torch.inference_mode():
        same = torch.allclose(net(clips), net(shuffled), rtol=1e-9, atol=1e-12)
    assert same == (name in BAGS)


def test_a_kernel_of_one_frame_commutes_with_time_reversal(generator):
    net = R3D(4, (1, 1), stem_kernel=(1, 5, 5), kernel_depth=1).eval()
    clips = clips_of(generator, length=7)  # odd, so that strides take the same frames both ways
    with torch.inference_mode():
        torch.testing.assert_close(net.maps(clips.flip(1)), net.maps(clips).flip(2))
        deep = R3D(4, (1, 1), stem_kernel=(3, 5, 5)).eval()
        assert not torch.allclose(deep.maps(clips.flip(1)), deep.maps(clips).flip(2))


# ---- inflation


def with_statistics(net):
    """Batch norm as after training, so that the inflation of its statistics is tested too."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


@pytest.mark.parametrize("how", ["repeat", "centre"])
@pytest.mark.parametrize("time_stride", [False, True])
@pytest.mark.parametrize("name", ["small", "resnet50", "googlenet"])
def test_a_static_clip_gets_the_answer_of_the_image(name, how, time_stride, generator):
    torch.manual_seed(0)
    net = {
        "small": lambda: small().conv,
        "resnet50": lambda: torchvision.models.resnet50(num_classes=5),
        "googlenet": lambda: torchvision.models.googlenet(
            num_classes=5, aux_logits=False, transform_input=False, init_weights=False
        ),
    }[name]()
    net = with_statistics(net)
    image = torch.rand(1, 3, 64 if name != "small" else 32, 64 if name != "small" else 32, generator=generator)
    static = image[:, :, None].expand(-1, -1, 16 if name == "small" else 8, -1, -1)
    volume = inflate(net, 3, how=how, time_stride=time_stride)
    with torch.inference_mode():
        want, got = net(image), volume(static)
    if name == "small":
        want = want[:, :, None].expand_as(got)
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


def test_zero_padding_in_time_spoils_the_ends_and_nothing_else(generator):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    image = torch.rand(1, 3, 8, 8, generator=generator)
    static = image[:, :, None].expand(-1, -1, 6, -1, -1)
    with torch.inference_mode():
        want, got = net(image), inflate(net, 3, time_padding="zeros")(static)
        for t in range(1, 5):
            torch.testing.assert_close(got[:, :, t], want)
        bias = net[0].bias[:, None, None]
        for t in (0, 5):
            torch.testing.assert_close(got[:, :, t], (want - bias) * 2 / 3 + bias)
        centred = inflate(net, 3, how="centre", time_padding="zeros")(static)
        torch.testing.assert_close(centred, want[:, :, None].expand_as(centred))


def test_inflation_leaves_the_network_as_it_was_and_gives_new_weights():
    net = small()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    volume = inflate(net.conv, 5)
    with torch.no_grad():
        for parameter in volume.parameters():
            parameter.zero_()
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    kinds = {type(module) for module in volume.modules()}
    assert not kinds & {nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d}
    assert volume[0].weight.shape[2] == 5


def test_an_inflated_network_describes_a_static_clip_as_its_picture(generator):
    net = with_statistics(small())
    image = torch.rand(2, 3, 32, 32, generator=generator)
    volume = models.InflatedFrames(net).eval()
    with torch.inference_mode():
        torch.testing.assert_close(volume(image[:, None].expand(-1, 6, -1, -1, -1)), net(image))
    assert volume.features == net.features
    assert volume.fc6[1].weight is not net.fc6[1].weight


# ---- two streams, segments


def test_the_temporal_stream_sees_flow_and_nothing_else(generator):
    clips = clips_of(generator, 2, 5, channels=5)
    net = models.TemporalStream(small(in_channels=8)).eval()
    other = clips.clone()
    other[:, :, :3] = 0
    other[:, -1] = 0
    assert torch.equal(net(clips), net(other))
    with pytest.raises(ValueError, match="channels"):
        net(clips[:, :, :3])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_counted_without_computing(name):
    assert models.cost(NETWORKS[name], 8, 3, 32, 32)[0] == parameters(NETWORKS[name]())


def test_largest_tensor_counts_what_is_made_on_the_way():
    rows = torch.ones(3, 5, requires_grad=True)
    assert models.largest_tensor(lambda: (rows[:, None] - rows[None]).sum().backward()) == 3 * 3 * 5
    assert models.largest_tensor(lambda: None) == 0


def test_costs_are_counted():
    def build():
        return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))

    assert models.cost(build, 3, 8, 8) == (4 * 27 + 144 * 5 + 5, 4 * 27 * 36 + 144 * 5)
    for name, build, billions in (("r3d_18", R3D, 40.697), ("r2plus1d_18", R2Plus1D, 40.519)):
        assert abs(models.cost(build, 16, 3, 112, 112)[1] / 1e9 - billions) < 0.01, name


def test_two_streams_see_the_middle_frame_and_stacks_of_flow(generator):
    clips = torch.cat([clips_of(generator, 2, 7), torch.randn(2, 7, 2, 32, 32, generator=generator)], 2)
    net = TwoStream(small(), small(in_channels=6), 3, limit=4.0)
    frames, motion = net.streams(clips)
    assert torch.equal(frames, clips[:, [1, 4], :3])
    assert motion.shape == (2, 2, 6, 32, 32)
    torch.testing.assert_close(motion[:, 1, 2:4], (0.5 + clips[:, 4, 3:] / 8).clamp(0, 1))
    assert net(clips).shape == (2, 24)
    by_hand = TwoStream(
        small(), small(in_channels=6), 3, flow=lambda c: c.diff(dim=1)[:, :, :2] * 0 + clips[:, :-1, 3:]
    )
    assert torch.equal(by_hand.streams(clips[:, :, :3])[1], motion)


@pytest.mark.parametrize("fusion", ["late", "pool2d", "pool3d", "conv3d"])
def test_both_streams_learn_whatever_the_fusion(fusion, generator):
    clips = clips_of(generator, 3, 7, channels=5)
    net = TwoStream(small(), small(in_channels=4), 2, fusion=fusion)
    out = net(clips)
    assert out.shape == (3, net.features)
    out.square().sum().backward()
    assert net.spatial.conv[0].weight.grad.abs().sum() > 0
    assert net.temporal.conv[0].weight.grad.abs().sum() > 0


@given(length=st.integers(1, 60), segments=st.integers(1, 8), snippet=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_snippets_stay_inside_their_segments(length, segments, snippet, seed):
    edges = [k * length // segments for k in range(segments + 1)]
    if any(b - a < snippet for a, b in zip(edges, edges[1:], strict=False)):
        with pytest.raises(ValueError, match="length"):
            models.segment_indices(length, segments, 3, snippet=snippet)
        return
    drawn = torch.Generator().manual_seed(seed)
    for generator in (None, drawn):
        starts = models.segment_indices(length, segments, 3, snippet=snippet, generator=generator)
        for k in range(segments):
            assert ((starts[:, k] >= edges[k]) & (starts[:, k] + snippet <= edges[k + 1])).all()


def test_the_consensus_is_the_mean_of_the_snippets(generator):
    net = TSN(tiny_c3d(clip_length=2), 3, snippet=2).eval()
    clips = clips_of(generator, 2, 9)
    starts = models.segment_indices(9, 3, 2, snippet=2)[0].tolist()
    by_hand = torch.stack([net.backbone(clips[:, s : s + 2]) for s in starts]).mean(0)
    torch.testing.assert_close(net(clips), by_hand)
    assert starts == [0, 3, 6]


# ---- bad arguments


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: C3D(norm="layer"), "norm"),
        (lambda: C3D(image_size=0), "image_size"),
        (lambda: tiny_c3d(kernel_depth=2), "kernel_depth"),
        (lambda: R3D(kernel_depth=4), "kernel_depth"),
        (lambda: R3D(blocks=()), "blocks"),
        (lambda: I3D(width=0), "width"),
        (lambda: inflate(small(), 2), "depth"),
        (lambda: inflate(small(), how="copy"), "how"),
        (lambda: inflate(small(), time_padding="mirror"), "time_padding"),
        (lambda: inflate(nn.InstanceNorm2d(3)), "InstanceNorm2d"),
        (lambda: inflate(nn.Conv2d(1, 1, 3, padding="same")), "padding"),
        (lambda: models.SlowFusion(small(), 2), "length"),
        (lambda: models.TemporalPooling(small(), how="mean"), "how"),
        (lambda: TwoStream(small(), small(), 2, fusion="early"), "fusion"),
        (lambda: TSN(small(), consensus="vote"), "consensus"),
        (lambda: models.EarlyFusion(small(in_channels=24), 8)(torch.rand(1, 7, 3, 32, 32)), "frames"),
        (lambda: models.TemporalPooling(small(), how="slow")(torch.rand(1, 7, 3, 32, 32)), "frames"),
        (lambda: TwoStream(small(), small(in_channels=4), 2)(torch.rand(1, 7, 3, 32, 32)), "flow"),
        (lambda: TwoStream(small(), small(in_channels=4), 2)(torch.rand(1, 2, 5, 32, 32)), "frames"),
    ],
)
def test_bad_arguments_are_named(build, named):
    with pytest.raises(ValueError, match=named):
        build()
