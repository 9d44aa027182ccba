#!/usr/bin/env python3
"""peer_check.py - is the peer's model ours, and does each of its trainers clip?

    peer_check.py GOLDEN.h5 ... [--fastdp DIR]

A golden file (tests/golden) holds weights, tokens, losses and the clipped sum of per-sample gradients, which autograd
computed in float64 one sample at a time. The peer's model gets the weights, each trainer takes one step without noise
or momentum, learning rate 1, in float64. The change of the weights times the batch is the sum that it used; it must
be the golden one (of standard: the mean). Prints one JSON line for each trainer: its relative error or why it refused.
"""

import argparse
import json

import h5py
import torch

from peer_model import Transformer, sample_losses
from peer_trainers import TRAINERS, Setting

LIMIT = 1e-9  # float64; what is not clipped or is clipped wrongly is off by much more


def golden_model(f):
    a = f.attrs
    model = Transformer(a["arch"], *(int(a[key]) for key in ("vocab", "dim", "layers", "heads", "max_seq")))
    weights = {name: torch.from_numpy(f["params"][name][...]) for name in f["params"]}
    if a["arch"] == "gpt2":
        weights["lm_head.weight"] = weights["wte.weight"]
    model.load_state_dict(weights)
    return model.double()


def wanted_sums(f, kind):
    return {name: torch.from_numpy(f[kind][name][...]) for name in f[kind]}


def relative_error(sums, wanted):
    """Over all tensors: |difference| / |wanted|."""
    difference = sum((sums[name] - wanted[name]).square().sum() for name in wanted)
    return (difference / sum(w.square().sum() for w in wanted.values())).sqrt().item()


def loss_error(f):
    tokens = torch.from_numpy(f["tokens"][...]).long()
    wanted = torch.from_numpy(f["loss"][...])
    return ((sample_losses(golden_model(f)(tokens), tokens) - wanted).abs() / wanted).max().item()


def step_error(f, trainer, fastdp):
    tokens = torch.from_numpy(f["tokens"][...]).long()
    model = golden_model(f)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    setting = Setting(noise=0.0, clip=float(f.attrs["clip"]), learning_rate=1.0, momentum=0.0, fastdp=fastdp)
    TRAINERS[trainer](model, setting, len(tokens)).step(tokens)
    standard = trainer in ("torch standard", "torch compiled")
    scale = 1 if standard else len(tokens)
    change = {name: scale * (before[name] - p.detach()) for name, p in model.named_parameters()}
    return relative_error(change, wanted_sums(f, "mean" if standard else "flat"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("golden", nargs="+")
    parser.add_argument("--fastdp")
    args = parser.parse_args()
    for path in args.golden:
        with h5py.File(path) as f:
            about = {"arch": str(f.attrs["arch"]), "loss_error": loss_error(f)}
            assert about["loss_error"] < LIMIT, f"{path}: another loss: not the same model"
            for trainer in TRAINERS:
                if trainer.startswith("fastdp") and not args.fastdp:
                    continue
                result = {"kind": "check", "trainer": trainer, **about}
                try:
                    result["error"] = step_error(f, trainer, args.fastdp)
                    result["right"] = result["error"] < LIMIT
                except Exception as why:
                    result["right"], result["refused"] = False, str(why).strip().splitlines()[-1]
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
