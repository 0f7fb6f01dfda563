"""torch.compile, torch.export and ONNX give what eager gives, at any batch size."""

import pytest
import torch
import torch._dynamo.testing

from tests.conftest import images, tiny_model


@pytest.fixture()
def model():
    return tiny_model(depth=2)


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("kind", ["shared", "per_layer", "none", "patch"])
def test_compiled_whole_graph(kind, device):
    model = tiny_model(depth=2, jumbo_ffn=kind).to(device)
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    with torch.no_grad():
        # a second image size costs one more compilation, and that one serves all others
        for i, size in enumerate([(64, 64), (96, 80), (64, 64), (128, 64), (64, 128), (48, 112), (160, 160)]):
            x = images(2, 3, *size).to(device)
            torch.testing.assert_close(compiled(x), model(x), atol=1e-5, rtol=1e-5)
            assert counter.frame_count == min(i + 1, 2)


def test_compiled_by_inductor_forward_and_backward(model, device):
    compiled = torch.compile(model.to(device), fullgraph=True)
    x = images(2, 3, 64, 64).to(device)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), model(x), atol=1e-4, rtol=1e-4)
    grads = []
    for f in (model, compiled):
        model.zero_grad()
        f(x).square().sum().backward()
        grads.append([p.grad.clone() for p in model.parameters()])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (96, 80)])
@pytest.mark.parametrize("grad", [True, False])
def test_exported(model, size, grad, device):
    model.to(device)
    with torch.set_grad_enabled(grad):
        program = torch.export.export(
            model,
            (images(2, 3, *size).to(device),),
            dynamic_shapes={"x": {0: torch.export.Dim("batch", min=1, max=64)}},
        )
    for batch in (1, 2, 5):
        x = images(batch, 3, *size, seed=batch).to(device)
        torch.testing.assert_close(program.module()(x), model(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (96, 80)])
def test_onnx(model, size, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    file = tmp_path / "model.onnx"
    torch.onnx.export(
        model, (images(2, 3, *size),), file, dynamo=True, dynamic_shapes={"x": {0: "batch"}}, verbose=False
    )
    session = onnxruntime.InferenceSession(file)
    for batch in (1, 2, 5):
        x = images(batch, 3, *size, seed=batch)
        (logits,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(logits), model(x), atol=1e-4, rtol=1e-4)
