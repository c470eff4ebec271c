#!/usr/bin/env python3
"""Makes Fixtures/tiny: a small random BERT, and what the reference says of it.

    pip install numpy scipy safetensors tokenizers
"""
import json
import pathlib
import sys

import numpy
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "BertProbe"))
from reference import Reference  # noqa: E402
from texts import SENTENCES, texts  # noqa: E402

FOLDER = HERE / "Fixtures" / "tiny"
HIDDEN, HEADS, LAYERS, INTERMEDIATE, POSITIONS, LENGTH = 32, 4, 2, 72, 64, 40
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write(name, value):
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def main():
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tokens = SPECIAL + list(letters) + ["##" + letter for letter in letters] + list(".,!?'-[]()#&@:;/%$")
    tokens += list("áßıпривет字今日本안가σςλ½") + ["##" + letter for letter in "ßıриветσς日"]
    words = sorted({word for sentence in SENTENCES[:7] for word in sentence.lower().split(" ") if word.isalpha()})
    tokens += [word for word in words if len(word) > 1] + ["ra", "##men", "##ing", "##ed", "##er", "un", "##s ", "extraordinary"]
    tokens = list(dict.fromkeys(token.strip() for token in tokens))

    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "vocab.txt").write_text("\n".join(tokens) + "\n")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    write("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(SPECIAL)],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(tokens)}}})
    write("config.json", {
        "_name_or_path": "engram/tiny-bert", "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN, "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS, "intermediate_size": INTERMEDIATE, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "vocab_size": len(tokens), "layer_norm_eps": 1e-12, "position_embedding_type": "absolute"})
    write("modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
        for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])])
    write("1_Pooling/config.json", {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    write("sentence_bert_config.json", {"max_seq_length": LENGTH, "do_lower_case": False})
    write("tokenizer_config.json", {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "model_max_length": 512})

    generator = numpy.random.default_rng(20261127)
    weights = {}

    def linear(name, outputs, inputs):
        weights[name + ".weight"] = generator.normal(0, 1.2 / inputs**0.5, (outputs, inputs))
        weights[name + ".bias"] = generator.normal(0, 0.1, outputs)

    def norm(name):
        weights[name + ".weight"] = generator.normal(1, 0.1, HIDDEN)
        weights[name + ".bias"] = generator.normal(0, 0.1, HIDDEN)

    for name, count in (("word", len(tokens)), ("position", POSITIONS), ("token_type", 2)):
        weights[f"embeddings.{name}_embeddings.weight"] = generator.normal(0, 1, (count, HIDDEN))
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        p = f"encoder.layer.{layer}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(p + "attention." + part, HIDDEN, HIDDEN)
        norm(p + "attention.output.LayerNorm")
        linear(p + "intermediate.dense", INTERMEDIATE, HIDDEN)
        linear(p + "output.dense", HIDDEN, INTERMEDIATE)
        norm(p + "output.LayerNorm")
    weights = {name: value.astype(numpy.float32) for name, value in weights.items()}
    save_file(weights, FOLDER / "model.safetensors")

    mean, first = Reference(FOLDER, numpy.float64), Reference(FOLDER, numpy.float64)
    first.pools_first, first.modules = True, ["Transformer", "Pooling"]
    asked = [text for text in texts(230) if len(text) < 1500]
    cases = []
    for text in asked:
        ids = mean.ids(text)
        cases.append({
            "text": text, "ids": ids, "mean": [round(float(x), 6) for x in mean.vector(ids)], "first": [round(float(x), 6) for x in first.vector(ids)]})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (FOLDER.parent / "expected.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(tokens)} tokens, {len(cases)} texts, {sum(i == 1 for case in cases for i in case['ids'])} unknown words")


main()
