"""peer_model.py - dpsweep's two architectures in PyTorch, of the modules that per-sample gradient libraries know.

Parameters have the names and shapes of src/model/model.c, so golden files load as a state_dict (tests/golden). What a
block computes is said at the head of model_postln.c and model_gpt2.c; dropout acts at the three places of
model_dropout.c.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, heads, causal):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.heads, self.causal = heads, causal

    def forward(self, x):  # (B, T, D)
        q, k, v = (linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for linear in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.o(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, dim, activation, dropout):
        super().__init__()
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.activation, self.dropout = activation, nn.Dropout(dropout)

    def forward(self, x):
        return self.down(self.dropout(self.activation(self.up(x))))


class Block(nn.Module):
    def __init__(self, dim, heads, dropout, activation, causal):
        super().__init__()
        self.attn, self.mlp = Attention(dim, heads, causal), FeedForward(dim, activation, dropout)
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout_attention, self.dropout_ffn = nn.Dropout(dropout), nn.Dropout(dropout)


class PostlnBlock(Block):
    def __init__(self, dim, heads, dropout):
        super().__init__(dim, heads, dropout, nn.ReLU(), causal=False)

    def forward(self, x):
        x = self.ln_1(x + self.dropout_attention(self.attn(x)))
        return self.ln_2(x + self.dropout_ffn(self.mlp(x)))


class Gpt2Block(Block):
    def __init__(self, dim, heads, dropout):
        super().__init__(dim, heads, dropout, nn.GELU(approximate="tanh"), causal=True)

    def forward(self, x):
        x = x + self.dropout_attention(self.attn(self.ln_1(x)))
        return x + self.dropout_ffn(self.mlp(self.ln_2(x)))


class Transformer(nn.Module):
    """tokens (B, T) -> logits (B, T-1, V): the last position has no target."""

    def __init__(self, arch, vocab, dim, layers, heads, max_seq, dropout=0.0):
        super().__init__()
        block = {"postln": PostlnBlock, "gpt2": Gpt2Block}[arch]
        self.wte, self.wpe = nn.Embedding(vocab, dim), nn.Embedding(max_seq, dim)
        self.h = nn.ModuleList(block(dim, heads, dropout) for _ in range(layers))
        self.ln_f = nn.LayerNorm(dim)
        self.lm_head = nn.Linear(dim, vocab, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        if arch == "gpt2":
            self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        # positions of each sample, not broadcast: per-sample gradients need to know whose they are
        positions = torch.arange(tokens.shape[1]).repeat(len(tokens), 1)
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x)[:, :-1])


def sample_losses(logits, tokens):  # (B): each sample's mean over its T-1 targets
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(len(tokens), -1).mean(1)
