"""Makes modules.safetensors and net.safetensors with PyTorch itself.

    pip install torch==2.11.0 safetensors==0.8.0 numpy==2.4.6
    python golden.py

modules.safetensors holds, for each case of golden_test.go:

    case/param/name    parameters and buffers before the forward pass
    case/in/0          inputs
    case/out/0         outputs, under the seed 5
    case/din/0         gradients of the inputs of floating point
    case/dparam/name   gradients of the parameters
    case/after/name    buffers that the forward pass changed

Gradients are those of the sum of ramp·output, where ramp goes evenly from -1 to 1 over
the elements of each output. For init_test.go there are init/case/name, which fresh
modules and initialisers drew under the seed 7. net.safetensors is the state dict of a
module, as Python saves it.
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
tensors = {}


def put(key, tensor):
    assert key not in tensors, key
    tensors[key] = tensor.detach().clone().contiguous()


def rand(*shape):
    return torch.randn(*shape)


def case(name, module, *inputs, call=None, train=True):
    """Records a module; call(module, *inputs) is its forward pass when it is not plain."""
    with torch.no_grad():
        for key, value in module.named_parameters():
            value += 0.2 * torch.randn_like(value)  # ones and zeros hide mistakes
        for key, value in module.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                value.uniform_(0.5, 1.5)
    module.train(train)
    state = {k: v.clone() for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    for key, value in state.items():
        put(f"{name}/param/{key}", value)
    leaves = []
    for i, x in enumerate(inputs):
        put(f"{name}/in/{i}", x)
        leaves.append(x.clone().requires_grad_() if x.is_floating_point() else x)
    torch.manual_seed(5)
    outputs = call(module, *leaves) if call else module(*leaves)
    if isinstance(outputs, torch.Tensor):
        outputs = (outputs,)
    loss = 0
    for i, y in enumerate(outputs):
        put(f"{name}/out/{i}", y)
        loss = loss + (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum() if y.requires_grad else loss
    if isinstance(loss, torch.Tensor):
        loss.backward()
    for i, x in enumerate(leaves):
        if x.grad is not None:
            put(f"{name}/din/{i}", x.grad)
    for key, value in module.named_parameters():
        if value.grad is not None:
            put(f"{name}/dparam/{key}", value.grad)
    for key, value in module.state_dict().items():
        if key in state and not value.equal(state[key]):
            put(f"{name}/after/{key}", value)


class Call(nn.Module):
    """A function as a module without parameters."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *x):
        return self.f(*x)


def layers():
    x2, x3, x4 = rand(4, 6), rand(2, 4, 9), rand(2, 4, 7, 6)
    case("linear", nn.Linear(6, 5), rand(2, 3, 6))
    case("linear_no_bias", nn.Linear(6, 5, bias=False), x2)
    case("embedding", nn.Embedding(7, 5, padding_idx=-1), torch.tensor([[1, 6, 2], [1, 0, 6]]))
    case("flatten", nn.Flatten(), x4)
    case("identity", nn.Identity(), x2)
    case("chain", nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3)), x4)

    case("conv2d", nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), x4)
    for mode in ("reflect", "replicate", "circular"):
        case(f"conv2d_{mode}", nn.Conv2d(4, 3, 3, padding=2, padding_mode=mode, bias=False), x4)
    case("conv_transpose2d", nn.ConvTranspose2d(4, 6, 3, stride=3, padding=1, output_padding=2, groups=2, dilation=2), x4)
    case("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), x3)
    case("conv1d_circular", nn.Conv1d(4, 3, 3, padding=2, padding_mode="circular"), x3)
    case("conv2d_oblong", nn.Conv2d(4, 3, (1, 5), stride=(2, 1), padding=(1, 2), padding_mode="reflect"), x4)
    case("conv3d", nn.Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1, bias=False), rand(2, 2, 3, 4, 3))
    case("conv_transpose1d", nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), x3)
    case("conv_transpose3d", nn.ConvTranspose3d(2, 3, 2, stride=2), rand(1, 2, 2, 3, 2))

    case("batch_norm2d", nn.BatchNorm2d(4, momentum=0.3), x4)
    case("batch_norm2d_eval", nn.BatchNorm2d(4, eps=1e-3), x4, train=False)
    case("batch_norm2d_plain", nn.BatchNorm2d(4, affine=False, track_running_stats=False), x4, train=False)
    case("batch_norm1d", nn.BatchNorm1d(6), x2)
    case("batch_norm1d_sequence", nn.BatchNorm1d(4), x3)
    case("group_norm", nn.GroupNorm(2, 4), x4)
    case("group_norm_plain", nn.GroupNorm(4, 4, eps=1e-2, affine=False), x4)
    case("layer_norm", nn.LayerNorm([7, 6]), x4)
    case("layer_norm_no_bias", nn.LayerNorm(6, bias=False), x4)
    case("layer_norm_plain", nn.LayerNorm(6, elementwise_affine=False), x4)
    case("rms_norm", nn.RMSNorm(6), x4)
    case("rms_norm_eps", nn.RMSNorm([7, 6], eps=0.1, elementwise_affine=False), x4)
    case("instance_norm2d", nn.InstanceNorm2d(4), x4)
    case("instance_norm2d_affine", nn.InstanceNorm2d(4, affine=True, track_running_stats=True), x4)
    case("instance_norm2d_eval", nn.InstanceNorm2d(4, affine=True, track_running_stats=True), x4, train=False)

    case("max_pool2d", nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), x4)
    case("max_pool2d_dilated", nn.MaxPool2d(2, dilation=2), x4)
    case("avg_pool2d", nn.AvgPool2d(2), x4)
    case("avg_pool2d_exclude", nn.AvgPool2d(3, stride=(2, 1), padding=1, count_include_pad=False), x4)
    case("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((3, 2)), x4)
    case("zero_pad2d", nn.ZeroPad2d((1, 2, 3, 0)), x4)
    case("pixel_shuffle", nn.PixelShuffle(2), x4)
    case("upsample_nearest", nn.Upsample(scale_factor=1.7), x4)
    case("upsample_nearest_size", nn.Upsample(size=(10, 11)), x4)
    case("upsample_nearest1d", nn.Upsample(scale_factor=2.5), x3)
    case("upsample_linear", nn.Upsample(scale_factor=1.5, mode="linear"), x3)
    case("upsample_bilinear", nn.Upsample(scale_factor=(1.7, 2), mode="bilinear"), x4)
    case("upsample_bilinear_align", nn.Upsample(size=(9, 5), mode="bilinear", align_corners=True), x4)
    case("upsample_bicubic", nn.Upsample(scale_factor=1.5, mode="bicubic"), x4)

    case("dropout", nn.Dropout(0.4), x4)
    case("dropout_eval", nn.Dropout(0.4), x4, train=False)
    case("dropout2d", nn.Dropout2d(0.4), x4)


def activations():
    x = 3 * rand(3, 4, 5)
    for name, module in {
        "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(0.2), "elu": nn.ELU(0.7), "gelu": nn.GELU(),
        "gelu_tanh": nn.GELU("tanh"), "silu": nn.SiLU(), "mish": nn.Mish(), "hardswish": nn.Hardswish(),
        "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "softplus": nn.Softplus(2, 3), "softmax": nn.Softmax(1),
        "log_softmax": nn.LogSoftmax(-1), "prelu": nn.PReLU(), "prelu_channels": nn.PReLU(4, 0.1),
    }.items():
        case(name, module, x)


def attention():
    batch, seq, src = rand(3, 5, 8), rand(5, 3, 8), rand(4, 3, 8)
    hidden = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    padding = torch.tensor([[False] * 5, [False] * 4 + [True], [False] * 3 + [True] * 2])

    def quiet(m, x, **o):
        return m(x, x, x, need_weights=False, **o)[0]

    case("attention", nn.MultiheadAttention(8, 2, batch_first=True), batch, hidden, padding,
         call=lambda m, x, a, p: quiet(m, x, attn_mask=a, key_padding_mask=p))
    case("attention_no_bias", nn.MultiheadAttention(8, 4, bias=False), seq, call=quiet)
    case("attention_cross", nn.MultiheadAttention(8, 2), seq, src, rand(5, 4),
         call=lambda m, q, k, a: m(q, k, k, attn_mask=a))
    case("attention_heads", nn.MultiheadAttention(8, 2, batch_first=True), batch, rand(6, 5, 5), padding.float(),
         call=lambda m, x, a, p: m(x, x, x, attn_mask=a, key_padding_mask=p, average_attn_weights=False))
    case("attention_values", nn.MultiheadAttention(8, 2), seq, src, rand(4, 3, 8),
         call=lambda m, q, k, v: m(q, k, v, need_weights=False)[0])
    case("attention_dropout", nn.MultiheadAttention(8, 2, dropout=0.3), seq, call=lambda m, x: m(x, x, x))

    case("encoder", nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, dropout=0.1), seq, train=False)
    case("encoder_dropout", nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, dropout=0.3), seq)
    case("encoder_norm_first", nn.TransformerEncoderLayer(
        8, 2, dim_feedforward=12, dropout=0, activation="gelu", batch_first=True, norm_first=True, bias=False),
        batch, hidden, padding, call=lambda m, x, a, p: m(x, src_mask=a, src_key_padding_mask=p))


def recurrent():
    x, by_batch = rand(5, 3, 4), rand(3, 5, 4)

    def lstm(m, x, *state):
        y, (h, c) = m(x, state or None)
        return y, h, c

    case("lstm", nn.LSTM(4, 6), x, rand(1, 3, 6), rand(1, 3, 6), call=lstm)
    case("lstm_deep", nn.LSTM(4, 6, num_layers=2, batch_first=True, bidirectional=True), by_batch, call=lstm)
    case("lstm_no_bias", nn.LSTM(4, 6, bias=False), x, call=lstm, train=False)
    case("gru", nn.GRU(4, 6), x, rand(1, 3, 6))
    case("gru_deep", nn.GRU(4, 6, num_layers=2, bias=False, batch_first=True, bidirectional=True), by_batch)


def losses():
    a, b = rand(4, 5), rand(4, 5)
    classes, p, q = torch.tensor([1, 4, 0, 3]), torch.rand(4, 5), torch.rand(4, 5)
    weights = torch.rand(5) + 0.5
    logs = F.log_softmax(rand(4, 5), 1)
    for r in ("mean", "sum", "none"):
        case(f"mse_{r}", nn.MSELoss(reduction=r), a, b)
        case(f"cross_entropy_{r}", nn.CrossEntropyLoss(reduction=r), a, classes)
    case("l1", nn.L1Loss(), a, b)
    case("smooth_l1", nn.SmoothL1Loss(beta=0.5), a, b)
    case("huber", nn.HuberLoss(reduction="sum", delta=0.7), a, b)
    case("kl_div", nn.KLDivLoss(reduction="batchmean"), logs, F.softmax(b, 1))
    case("kl_div_log", nn.KLDivLoss(reduction="sum", log_target=True), logs, F.log_softmax(b, 1))
    case("bce", nn.BCELoss(weight=weights), p, q)
    case("bce_logits", nn.BCEWithLogitsLoss(weight=torch.rand(4, 1), pos_weight=weights), a, q)
    case("cross_entropy_smooth", nn.CrossEntropyLoss(weight=weights, label_smoothing=0.2), a, classes)
    case("cross_entropy_ignore", nn.CrossEntropyLoss(ignore_index=0), a, classes)
    case("cross_entropy_soft", nn.CrossEntropyLoss(reduction="sum"), a, F.softmax(b, 1))
    case("cross_entropy_image", nn.CrossEntropyLoss(), rand(2, 5, 3, 2), torch.randint(0, 5, (2, 3, 2)))
    case("nll", nn.NLLLoss(weight=weights, ignore_index=4), logs, classes)
    case("cosine_embedding", nn.CosineEmbeddingLoss(margin=0.1), a, b, torch.tensor([1, -1, -1, 1]))
    case("triplet_margin", nn.TripletMarginLoss(margin=0.8, p=1, reduction="sum"), a, b, rand(4, 5))


def functions():
    x4, w, none = rand(2, 4, 7, 6), rand(6, 2, 3, 3), None
    a, classes, weights = rand(4, 5), torch.tensor([1, 4, 0, 3]), torch.rand(5) + 0.5

    def f(name, function, *inputs):
        case("F/" + name, Call(function), *inputs)

    f("batch_norm", lambda x, m, v, w, b: F.batch_norm(x, m.detach(), v.detach(), w, b, False, 0.1, 1e-3),
      x4, rand(4), torch.rand(4) + 1, rand(4), rand(4))
    f("batch_norm_training", lambda x: F.batch_norm(x, none, none, training=True), x4)
    f("conv2d", lambda x, w, b: F.conv2d(x, w, b, (2, 1), (0, 1), (1, 2), 2), x4, w, rand(6))
    f("conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, none, (2, 3), 1, (1, 0), 2), x4, rand(4, 3, 3, 2))
    f("log_softmax", lambda x: F.log_softmax(x, 0), a)
    f("log_softmax_classes", lambda x: F.log_softmax(x, 1), x4)
    f("nll_loss", lambda x, t, w: F.nll_loss(x, t, w.detach(), ignore_index=1, reduction="sum"), a, classes, weights)
    f("cross_entropy", lambda x, t: F.cross_entropy(x, t, reduction="none"), a, classes)
    f("binary_cross_entropy", lambda x, t, w: F.binary_cross_entropy(x, t.detach(), w.detach()),
      torch.rand(4, 5), torch.rand(4, 5), weights)
    f("relu", F.relu, a)
    f("relu_inplace", lambda x: F.relu(x * 1, inplace=True), a)
    f("leaky_relu", lambda x: F.leaky_relu(x, 0.3), a)
    f("leaky_relu_inplace", lambda x: F.leaky_relu(x * 1, 0.3, inplace=True), a)
    f("linear", F.linear, a, rand(3, 5), rand(3))
    f("max_pool2d", lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2), True), x4)
    f("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (5, 3)), x4)


def drawn():
    def module(name, make):
        torch.manual_seed(7)
        for key, value in make().state_dict().items():
            put(f"init/{name}/{key}", value)

    module("linear", lambda: nn.Linear(5, 3))
    module("conv2d", lambda: nn.Conv2d(4, 6, 3, groups=2))
    module("conv_transpose2d", lambda: nn.ConvTranspose2d(4, 6, 3, groups=2))
    module("conv1d", lambda: nn.Conv1d(4, 6, 3))
    module("embedding", lambda: nn.Embedding(5, 4, padding_idx=2))
    module("attention", lambda: nn.MultiheadAttention(8, 2))
    module("encoder", lambda: nn.TransformerEncoderLayer(8, 2, dim_feedforward=5))
    module("lstm", lambda: nn.LSTM(3, 2, num_layers=2, bidirectional=True))
    module("gru", lambda: nn.GRU(3, 2, num_layers=2, bidirectional=True))

    def weight(name, f, *shape):
        torch.manual_seed(7)
        w = torch.empty(*shape)
        f(w)
        put(f"init/{name}/weight", w)

    init, shape = nn.init, (6, 4, 3, 3)
    for mode in ("fan_in", "fan_out"):
        for nonlinearity in ("relu", "leaky_relu", "tanh", "selu", "conv2d"):
            weight(f"kaiming_uniform_{mode}_{nonlinearity}", lambda w: init.kaiming_uniform_(w, 0.3, mode, nonlinearity), *shape)
    weight("uniform", lambda w: init.uniform_(w, -2, 3), *shape)
    weight("normal", lambda w: init.normal_(w, 0.1, 0.2), *shape)
    weight("kaiming_normal", lambda w: init.kaiming_normal_(w, 0.3, "fan_out", "leaky_relu"), *shape)
    weight("xavier_uniform", lambda w: init.xavier_uniform_(w, 1.5), *shape)
    weight("xavier_normal", lambda w: init.xavier_normal_(w, 1.5), *shape)
    weight("trunc_normal", lambda w: init.trunc_normal_(w, 0.5, 2, -1, 1.5), *shape)
    weight("orthogonal_wide", lambda w: init.orthogonal_(w, 2), 3, 2, 4)
    weight("orthogonal_tall", lambda w: init.orthogonal_(w), 6, 4)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(4)
        self.self_attn = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        y = self.norm1(x)
        return x + self.self_attn(y, y, y, need_weights=False)[0]


class Net(nn.Module):
    """Has the kinds of names that torchstate_test.go looks for."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 2, 2), nn.BatchNorm2d(4), nn.ReLU())
        self.blocks = nn.ModuleList([Block(), Block()])
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.rnn = nn.LSTM(4, 3, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(6, 2)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.size(0), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.fc(self.rnn(x)[0][:, 0])


def net():
    torch.manual_seed(3)
    model = Net().eval()
    with torch.no_grad():
        for value in model.parameters():
            value += 0.2 * torch.randn_like(value)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, HERE / "net.safetensors")
    x = rand(2, 1, 6, 4)
    put("net/in/0", x)
    put("net/out/0", model(x))


if __name__ == "__main__":
    torch.manual_seed(1)
    for part in (layers, activations, attention, recurrent, losses, functions, drawn, net):
        part()
    save_file(tensors, HERE / "modules.safetensors")
