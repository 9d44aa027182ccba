"""peer_trainers.py - what PyTorch, Opacus and fastDP offer for one step, each as its documentation has it.

A trainer is made of a model and a setting and has step(tokens) -> mean loss. All clip flat, with the threshold 1, add
noise to the sum, divide by the batch and update with SGD.
"""

import contextlib
import sys

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from peer_model import sample_losses


class Setting:
    """What all trainers share. autocast: bf16 factors in matrix products, as PyTorch chooses them."""

    def __init__(self, noise=1.0, clip=1.0, learning_rate=1e-3, momentum=0.9, autocast=False, fastdp=None):
        self.noise, self.clip, self.learning_rate, self.momentum = noise, clip, learning_rate, momentum
        self.autocast, self.fastdp = autocast, fastdp

    def sgd(self, parameters):
        return torch.optim.SGD(parameters, lr=self.learning_rate, momentum=self.momentum, fused=True)

    def context(self):
        return torch.autocast("cpu", torch.bfloat16) if self.autocast else contextlib.nullcontext()


class Standard:
    def __init__(self, model, setting, batch_size):
        self.model, self.setting, self.optimizer = model, setting, setting.sgd(model.parameters())

    def loss(self, tokens):
        with self.setting.context():
            return sample_losses(self.model(tokens), tokens).mean()

    def step(self, tokens):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(tokens)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Compiled(Standard):
    def __init__(self, model, setting, batch_size):
        super().__init__(model, setting, batch_size)
        self.loss = torch.compile(self.loss)


class Hooks(Standard):
    """Stored per-sample gradients."""

    def __init__(self, model, setting, batch_size):
        from opacus.grad_sample import GradSampleModule
        from opacus.optimizers import DPOptimizer

        super().__init__(GradSampleModule(model), setting, batch_size)
        self.optimizer = DPOptimizer(
            self.optimizer,
            noise_multiplier=setting.noise,
            max_grad_norm=setting.clip,
            expected_batch_size=batch_size,
        )


class FastClipping:
    """Fast gradient clipping: the loss runs backward twice, the second time weighted by the clipping coefficients."""

    ghost = False

    def __init__(self, model, setting, batch_size):
        from opacus.grad_sample import GradSampleModuleFastGradientClipping
        from opacus.optimizers import DPOptimizerFastGradientClipping
        from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

        self.setting = setting
        self.model = GradSampleModuleFastGradientClipping(
            model, max_grad_norm=setting.clip, use_ghost_clipping=self.ghost
        )
        self.optimizer = DPOptimizerFastGradientClipping(
            setting.sgd(model.parameters()),
            noise_multiplier=setting.noise,
            max_grad_norm=setting.clip,
            expected_batch_size=batch_size,
        )
        self.criterion = DPLossFastGradientClipping(self.model, self.optimizer, nn.CrossEntropyLoss())

    def step(self, tokens):
        self.optimizer.zero_grad(set_to_none=True)
        with self.setting.context():
            logits = self.model(tokens)
            loss = self.criterion(logits.flatten(0, 1), tokens[:, 1:].flatten(), shape=logits.shape)
        del logits
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Ghost(FastClipping):
    """Norms from Gram matrices, where Opacus has them (linear layers, embeddings)."""

    ghost = True


class Vmap(Standard):
    """torch.func: per-sample gradients by vectorizing the gradient of one sample's loss."""

    def __init__(self, model, setting, batch_size):
        super().__init__(model, setting, batch_size)
        self.batch_size = batch_size

        def sample_loss(parameters, tokens):
            with setting.context():
                return sample_losses(functional_call(model, parameters, tokens[None]), tokens[None])[0]

        self.gradients = vmap(grad(sample_loss), in_dims=(None, 0), randomness="different")

    def step(self, tokens):
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            g = self.gradients({name: p.detach() for name, p in parameters.items()}, tokens)
            norm = torch.stack([x.flatten(1).norm(dim=1) for x in g.values()]).norm(dim=0)
            coefficient = (self.setting.clip / (norm + 1e-6)).clamp(max=1)
            for name, p in parameters.items():
                total = torch.tensordot(coefficient, g.pop(name), 1)
                p.grad = total.add_(torch.randn_like(total), alpha=self.setting.noise * self.setting.clip)
                p.grad /= self.batch_size
        self.optimizer.step()
        return float("nan")


class FastDp(Standard):
    """Book-keeping with fastDP's default choice of norms for each layer (MixOpt) and its trick of origin parameters."""

    def __init__(self, model, setting, batch_size):
        sys.path.insert(0, setting.fastdp)
        from fastDP import PrivacyEngine

        super().__init__(model, setting, batch_size)
        with contextlib.redirect_stdout(sys.stderr):
            engine = PrivacyEngine(
                model,
                batch_size=batch_size,
                sample_size=1000 * batch_size,
                num_steps=1000,
                noise_multiplier=setting.noise,
                max_grad_norm=setting.clip,
                clipping_fn="Abadi",
                origin_params=["wte", "wpe"],
            )
        engine.attach(self.optimizer)


TRAINERS = {
    "torch standard": Standard,
    "torch compiled": Compiled,
    "torch vmap": Vmap,
    "opacus hooks": Hooks,
    "opacus fastclip": FastClipping,
    "opacus ghost": Ghost,
    "fastdp bookkeeping": FastDp,
}
