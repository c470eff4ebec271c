"""The forward pass of a BERT sentence encoder in NumPy, and the tokenizer of Hugging Face: what EngramBERT is compared with."""
import json
import os

import numpy
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer


class Reference:
    """A folder as published for sentence-transformers."""

    def __init__(self, folder, dtype=numpy.float32):
        def read(name, default=None):
            path = os.path.join(folder, name)
            return json.load(open(path)) if default is None or os.path.exists(path) else default

        self.config = read("config.json")
        self.modules = [module["type"].split(".")[-1] for module in read("modules.json", [])]
        pooling = read("1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
        self.pools_first = pooling.get("pooling_mode_cls_token", False)
        self.weights = {name: value.astype(dtype) for name, value in load_file(os.path.join(folder, "model.safetensors")).items()}
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(read("sentence_bert_config.json")["max_seq_length"])

    def ids(self, text):
        return self.tokenizer.encode(text).ids

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        scale = numpy.sqrt((x * x).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return x / scale * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def vector(self, ids):
        n, heads, hidden = len(ids), self.config["num_attention_heads"], self.config["hidden_size"]
        width = hidden // heads
        embeddings = [self.weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
        x = self.norm(embeddings[0][ids] + embeddings[1][:n] + embeddings[2][0], "embeddings.LayerNorm")
        for layer in range(self.config["num_hidden_layers"]):
            p = f"encoder.layer.{layer}."
            q, k, v = (
                self.linear(x, f"{p}attention.self.{part}").reshape(n, heads, width).transpose(1, 0, 2) for part in ("query", "key", "value"))
            a = q @ k.transpose(0, 2, 1) / x.dtype.type(width**0.5)
            a = numpy.exp(a - a.max(-1, keepdims=True))
            a /= a.sum(-1, keepdims=True)
            c = (a @ v).transpose(1, 0, 2).reshape(n, hidden)
            x = self.norm(x + self.linear(c, p + "attention.output.dense"), p + "attention.output.LayerNorm")
            h = self.linear(x, p + "intermediate.dense")
            h = h * 0.5 * (1 + erf(h / x.dtype.type(2**0.5)))
            x = self.norm(x + self.linear(h, p + "output.dense"), p + "output.LayerNorm")
        e = x[0] if self.pools_first else x.mean(0)
        return e / numpy.linalg.norm(e) if "Normalize" in self.modules else e
