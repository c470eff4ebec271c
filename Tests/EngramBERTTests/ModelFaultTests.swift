import Engram
import Foundation
import TestSupport
import Testing

@testable import EngramBERT

/// Folders that are not valid models: each fault is an error that names the file and the reason.
struct ModelFaultTests {
  /// - Parameter words: What the message must contain besides the name of the file.
  private func expectFault(_ file: String, _ words: String, _ model: TinyModel, line: Int = #line) {
    do {
      _ = try model.embedder()
      Issue.record("line \(line): the model is read although \(file) is wrong: \(words)")
    } catch let error as StoreError {
      #expect(error.code == .invalidModel, "line \(line): \(error)")
      #expect(error.message.contains(file), "line \(line): \(error.message)")
      #expect(words.isEmpty || error.message.contains(words), "line \(line): \(error.message)")
    } catch {
      Issue.record("line \(line): \(error)")
    }
  }

  @Test(arguments: ["config.json", "1_Pooling/config.json", "model.safetensors"])
  func aMissingFileIsNamed(file: String) throws {
    let model = try TinyModel()
    try model.remove(file)
    expectFault(file, "does not exist", model)
  }

  @Test func aFolderWithoutVocabularyIsRefused() throws {
    let model = try TinyModel()
    try model.remove("tokenizer.json")
    try model.remove("vocab.txt")
    expectFault("vocab.txt", "does not exist", model)
  }

  @Test(arguments: [
    "config.json", "1_Pooling/config.json", "modules.json", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json",
  ])
  func aFileThatIsCutShortIsNoJSON(file: String) throws {
    let model = try TinyModel()
    let whole = try model.data(file)
    for count in [0, 1, whole.count / 2, whole.count - 3] {
      try model.write(whole.prefix(count), file)
      expectFault(file, "is not the JSON", model)
    }
  }

  @Test(arguments: [
    ("config.json", "\"bert\"", "\"roberta\"", "'roberta'"), ("config.json", "\"gelu\"", "\"relu\"", "'relu'"),
    ("config.json", "\"absolute\"", "\"relative_key\"", "'relative_key'"),
    ("config.json", "\"hidden_size\": 32", "\"hidden_size\": 0", "'hidden_size'"),
    ("config.json", "\"hidden_size\": 32", "\"hidden_size\": \"32\"", "'hidden_size'"),
    ("config.json", "\"hidden_size\": 32", "\"hidden_size\": 30", "num_attention_heads"),
    ("config.json", "\"num_hidden_layers\": 2", "\"layers\": 2", "'num_hidden_layers'"),
    ("config.json", "\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1", "'layer_norm_eps'"),
    ("1_Pooling/config.json", "\"word_embedding_dimension\": 32", "\"word_embedding_dimension\": 16", "16"),
    ("1_Pooling/config.json", "\"pooling_mode_cls_token\": false", "\"pooling_mode_cls_token\": true", "2 pooling modes"),
    ("1_Pooling/config.json", "\"pooling_mode_mean_tokens\"", "\"pooling_mode_max_tokens\"", "pooling_mode_max_tokens"),
    ("modules.json", "models.Normalize", "models.Dense", "models.Dense"),
    ("modules.json", "1_Pooling", "../1_Pooling", "leaves the folder"),
    ("sentence_bert_config.json", "40", "2", "'max_seq_length'"), ("tokenizer_config.json", "true", "1", "'do_lower_case'"),
    ("tokenizer.json", "\"WordPiece\"", "\"Unigram\"", "'decoder'"), ("tokenizer.json", "\"BertNormalizer\"", "\"NFKC\"", "'NFKC'"),
    ("tokenizer.json", "\"BertPreTokenizer\"", "\"Metaspace\"", "'Metaspace'"),
    ("tokenizer.json", "\"[UNK]\": 1", "\"[UNKNOWN]\": 1", "no token '[UNK]'"),
    ("tokenizer.json", "\"[CLS]\": 2", "\"CLS\": 2", "no token '[CLS]'"),
    ("tokenizer.json", "\"[CLS]\": 2", "\"[CLS]\": 1", "'[CLS]'"), ("tokenizer.json", "\"[CLS]\": 2", "\"[CLS]\": 99999", "'[CLS]'"),
    ("tokenizer.json", "\"lstrip\": false", "\"lstrip\": true", "'lstrip'"),
    ("tokenizer.json", "\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": 0", "'max_input_chars_per_word'"),
  ])
  func aSettingThatIsNotSupportedIsNamed(file: String, old: String, new: String, words: String) throws {
    let model = try TinyModel()
    // The decoder turns tokens back into text and is not used for embeddings, so its faults are ignored.
    if words == "'decoder'" {
      try model.replace(old, with: new, in: file)
      _ = try model.embedder()
      return
    }
    try model.replace(old, with: new, in: file)
    expectFault(file, words, model)
  }

  @Test func moreTokensThanPositionsAreRefused() throws {
    let model = try TinyModel()
    try model.replace("40", with: "65", in: "sentence_bert_config.json")
    expectFault("tokenizer_config.json", "65 tokens", model)
  }

  @Test func anEmptyVocabularyIsRefused() throws {
    let model = try TinyModel()
    let text = String(decoding: try model.data("tokenizer.json"), as: UTF8.self)
    let start = try #require(text.range(of: "\"vocab\": {")).upperBound
    try model.write(Data((text[..<start] + "}}}").utf8), "tokenizer.json")
    expectFault("tokenizer.json", "'vocab'", model)
    try model.remove("tokenizer.json")
    try model.write(Data(), "vocab.txt")
    expectFault("vocab.txt", "no token '[UNK]'", model)
  }

  @Test func aTokenThatIsThereTwiceIsNamed() throws {
    let model = try TinyModel()
    try model.remove("tokenizer.json")
    try model.replace("\nb\n", with: "\na\n", in: "vocab.txt")
    expectFault("vocab.txt", "'a' is there twice", model)
  }

  @Test func weightsThatAreCutShortAreRefusedAtEveryLength() throws {
    let model = try TinyModel()
    let whole = try model.data("model.safetensors")
    for count in Array(0..<20) + Array(stride(from: 20, to: whole.count, by: 1_777)) + [whole.count - 1] {
      try model.write(whole.prefix(count), "model.safetensors")
      expectFault("model.safetensors", "", model)
    }
    try model.write(whole + Data([0]), "model.safetensors")
    expectFault("model.safetensors", "1 bytes behind", model)
  }

  @Test(arguments: [
    ("\"F32\"", "\"F99\"", "dtype 'F99'"), ("\"F32\"", "\"I32\"", "stored as I32"), ("\"F32\"", "\"F16\"", "F16 of the shape"),
    ("\"dtype\"", "\"dtyqe\"", "no dtype"), ("\"shape\":[", "\"shapf\":[", "shape"), ("\"shape\":[", "\"shape\":{", "JSON"),
    ("\"data_offsets\"", "\"data_offsetz\"", "data_offsets"), ("data_offsets\":[0,", "data_offsets\":[9,", "bytes"),
    ("data_offsets\":[0,", "data_offsets\":[-,", "JSON"), ("LayerNorm.bias", "LayerNorm.bxas", "LayerNorm.bias"),
    ("query.weight", "query.weighs", "query.weight"), ("\"shape\":[32]", "\"shape\":[23]", "shape"),
  ])
  func aHeaderThatIsWrongIsRefused(old: String, new: String, words: String) throws {
    let model = try TinyModel()
    try model.patchWeights(old, with: new)
    expectFault("model.safetensors", words == "JSON" ? "" : words, model)
  }

  @Test(arguments: [
    (#"[]"#, "no object"), (#"{"a":1}"#, "no dtype"), (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, "8 bytes"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "no range"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, "no range"),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, "whole numbers"),
    (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, "whole numbers"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,4]}}"#, "larger than any file"),
    (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "cut short"), (#"{"a":1,"a":1}"#, ""), ("", ""),
  ])
  func aHeaderOfAnotherFormIsRefused(header: String, words: String) throws {
    let model = try TinyModel()
    let length = Data((0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) })
    try model.write(length + Data(header.utf8) + Data(count: 8), "model.safetensors")
    expectFault("model.safetensors", words, model)
    try model.write(Data(repeating: 0xFF, count: 64), "model.safetensors")
    expectFault("model.safetensors", "no safetensors file", model)
  }

  @Test func weightsThatAreNotFiniteAreReported() async throws {
    let model = try TinyModel()
    var weights = try model.data("model.safetensors")
    weights.replaceSubrange(weights.count - 20_000..<weights.count, with: Data(repeating: 0xFF, count: 20_000))
    try model.write(weights, "model.safetensors")
    let embedder = try model.embedder()
    await #expect { try await embedder.embed(["ramen", "zzz 0123456789 abcdefghijklmnopqrstuvwxyz"]) } throws: {
      ($0 as? StoreError)?.code == .invalidModel
    }
  }

  @Test func aURLThatIsNoFileAndTooManyThreadsAreRefused() throws {
    let model = try TinyModel()
    #expect(throws: StoreError.self) { try BertEmbedder(directory: #require(URL(string: "https://example.com/model"))) }
    #expect(throws: StoreError.self) { try model.embedder(threads: 0) }
    #expect(throws: StoreError.self) { try model.embedder(threads: 65) }
  }

  @Test func halfPrecisionIsReadAsItIs() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/half.safetensors"
    let header =
      #"{"a":{"dtype":"F16","shape":[7],"data_offsets":[0,14]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[14,18]},"#
      + #""c":{"dtype":"F32","shape":[1],"data_offsets":[18,22]}}"#
    var data = Data((0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }) + Data(header.utf8)
    for bits: UInt16 in [0x3C00, 0xC000, 0x3555, 0x0001, 0x83FF, 0x7BFF, 0x0000, 0x3F80, 0xC049] {
      data.append(contentsOf: [UInt8(bits & 0xFF), UInt8(bits >> 8)])
    }
    // This tensor does not begin at a multiple of four bytes.
    data.append(contentsOf: (0..<4).map { UInt8(truncatingIfNeeded: Float(2.5).bitPattern >> (8 * $0)) })
    try data.write(to: URL(fileURLWithPath: path))
    let file = try SafeTensors(path: path)
    func values(_ name: String, _ count: Int) throws -> [Float] {
      let tensor = try file.floats(name, shape: [count])
      return (0..<count).map { unsafe tensor.base[$0] }
    }
    #expect(try values("a", 7) == [1, -2, 0x1.554p-2, 0x1p-24, -0x1.ff8p-15, 65504, 0])
    #expect(try values("b", 2) == [1, -3.140625])
    #expect(try values("c", 1) == [2.5])
    #expect(HalfFloat.float(0x7C00) == .infinity)
    #expect(HalfFloat.float(0x7E00).isNaN)
  }
}
