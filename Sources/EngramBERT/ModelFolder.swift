import Engram
import Files
import Formats
import Foundation

/// The settings of a BERT encoder, read from a folder as published for sentence-transformers and checked.
struct ModelFolder {
  enum Pooling: String, Sendable {
    /// The mean of all tokens.
    case mean
    /// The first token.
    case cls
  }

  struct Shape: Sendable, Equatable {
    var vocabulary: Int
    var hidden: Int
    var layers: Int
    var heads: Int
    var intermediate: Int
    var positions: Int
    var tokenTypes: Int
    var epsilon: Float
  }

  /// The last part of `_name_or_path`, which is the model that this one was made of; `bert` if it is missing.
  let name: String
  let shape: Shape
  let pooling: Pooling
  /// Whether embeddings get the length 1.
  let normalizes: Bool
  /// Whether texts are lowercased before they are tokenized, accents kept.
  let lowercasesTexts: Bool
  let tokenizer: WordPiece.Settings
  /// Put before a text that is searched for, and (``passagePrefix``) before one that is stored.
  let queryPrefix: String
  let passagePrefix: String
  let weightsPath: String
  let tokenizerPath: String

  /// - Throws: ``StoreError`` `.invalidModel`, which names the file and what is wrong with it; `.permissionDenied`, `.inputOutput`, and
  ///   `.invalidArgument` for a URL that is no file URL.
  init(_ directory: URL) throws(StoreError) {
    guard directory.isFileURL else { throw StoreError(.invalidArgument, "a model is a local folder: \(directory) is not a file URL") }
    let root = FolderFiles(directory)
    let modules = try Self.modules(root)
    let transformer = root.folder(modules.transformer)
    (name, shape) = try Self.configuration(transformer)
    pooling = try Self.pooling(root.folder(modules.pooling ?? ""), hidden: shape.hidden, isGiven: modules.pooling != nil)
    normalizes = modules.normalizes
    let lengths = try Self.lengths(transformer)
    lowercasesTexts = lengths.lowercases
    let prompts = try Self.prompts(root)
    (queryPrefix, passagePrefix) = (prompts.query, prompts.passage)
    tokenizer = try TokenizerFiles.settings(transformer, shape: shape, maximumTokens: lengths.maximumTokens)
    weightsPath = transformer.path("model.safetensors")
    tokenizerPath = transformer.path(TokenizerFiles.name(transformer))
  }

  // MARK: Files

  private struct Modules {
    var transformer = ""
    var pooling: String?
    var normalizes = false
  }

  private static func modules(_ root: FolderFiles) throws(StoreError) -> Modules {
    let file = "modules.json"
    guard let value = try root.json(file, isOptional: true) else { return Modules() }
    return try StoreError.ofModel(file: root.path(file)) {
      guard case .array(let elements) = value, !elements.isEmpty else { throw ModelFault("is no list of modules") }
      var modules = Modules()
      for (index, element) in elements.enumerated() {
        let type = try element.text("type") ?? ""
        let path = try element.text("path") ?? ""
        guard !path.utf8.starts(with: "/".utf8),
          !path.utf8.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) })
        else { throw ModelFault("the path '\(path)' leaves the folder") }
        let kind = String(decoding: type.utf8.split(separator: UInt8(ascii: ".")).last ?? [][...], as: UTF8.self)
        switch (index, kind) {
        case (0, "Transformer"): modules.transformer = path
        case (1, "Pooling"): modules.pooling = path
        case (2, "Normalize"): modules.normalizes = true
        default:
          throw ModelFault("module \(index) is '\(type)': a transformer, a pooling and a normalization are supported, in this order")
        }
      }
      return modules
    }
  }

  private static func configuration(_ folder: FolderFiles) throws(StoreError) -> (String, Shape) {
    let file = "config.json"
    let value = try folder.requiredJSON(file)
    return try StoreError.ofModel(file: folder.path(file)) {
      let type = try value.text("model_type") ?? "bert"
      guard type.hasSameBytes(as: "bert") else { throw ModelFault("the model is a '\(type)': 'bert' is supported") }
      let activation = try value.text("hidden_act") ?? "gelu"
      guard activation.hasSameBytes(as: "gelu") else { throw ModelFault("hidden_act is '\(activation)': 'gelu' is supported") }
      let positions = try value.text("position_embedding_type") ?? "absolute"
      guard positions.hasSameBytes(as: "absolute") else {
        throw ModelFault("position_embedding_type is '\(positions)': 'absolute' is supported")
      }
      let shape = Shape(
        vocabulary: try value.integer("vocab_size", in: 1...10_000_000), hidden: try value.integer("hidden_size", in: 1...65_536),
        layers: try value.integer("num_hidden_layers", in: 1...1_000), heads: try value.integer("num_attention_heads", in: 1...65_536),
        intermediate: try value.integer("intermediate_size", in: 1...1_000_000),
        positions: try value.integer("max_position_embeddings", in: 3...1_000_000),
        tokenTypes: try value.integer("type_vocab_size", in: 1...1_000, default: 2),
        epsilon: try value.real("layer_norm_eps", default: 1e-12))
      guard shape.hidden % shape.heads == 0 else {
        throw ModelFault("hidden_size \(shape.hidden) is no multiple of num_attention_heads \(shape.heads)")
      }
      let origin = try value.text("_name_or_path") ?? ""
      let name = origin.utf8.split(whereSeparator: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }).last
      return (name.map { String(decoding: $0, as: UTF8.self) } ?? "bert", shape)
    }
  }

  private static func pooling(_ folder: FolderFiles, hidden: Int, isGiven: Bool) throws(StoreError) -> Pooling {
    guard isGiven else { return .mean }
    let file = "config.json"
    let value = try folder.requiredJSON(file)
    return try StoreError.ofModel(file: folder.path(file)) {
      let dimension = try value.integer("word_embedding_dimension", in: 1...65_536, default: hidden)
      guard dimension == hidden else { throw ModelFault("word_embedding_dimension is \(dimension), the encoder's hidden_size \(hidden)") }
      guard try value.flag("include_prompt") ?? true else { throw ModelFault("include_prompt false is not supported") }
      var modes: [String] = []
      if case .object(let members) = value {
        for member in members where member.key.hasBytePrefix("pooling_mode_") && member.value == .bool(true) { modes.append(member.key) }
      }
      if let mode = try value.text("pooling_mode") { modes = ["pooling_mode_\(mode)"] }
      guard modes.count == 1, let mode = modes.first else { throw ModelFault("\(modes.count) pooling modes are on: one is supported") }
      if mode.hasSameBytes(as: "pooling_mode_mean_tokens") || mode.hasSameBytes(as: "pooling_mode_mean") { return .mean }
      if mode.hasSameBytes(as: "pooling_mode_cls_token") || mode.hasSameBytes(as: "pooling_mode_cls") { return .cls }
      throw ModelFault("the pooling '\(mode)' is not supported: mean and cls are")
    }
  }

  private static func lengths(_ folder: FolderFiles) throws(StoreError) -> (maximumTokens: Int?, lowercases: Bool) {
    let file = "sentence_bert_config.json"
    guard let value = try folder.json(file, isOptional: true) else { return (nil, false) }
    return try StoreError.ofModel(file: folder.path(file)) {
      let maximum = try value.isNull("max_seq_length") ? nil : value.integer("max_seq_length", in: 3...1_000_000)
      return (maximum, try value.flag("do_lower_case") ?? false)
    }
  }

  private static func prompts(_ folder: FolderFiles) throws(StoreError) -> (query: String, passage: String) {
    let file = "config_sentence_transformers.json"
    guard let value = try folder.json(file, isOptional: true), let prompts = value["prompts"], prompts != .null else { return ("", "") }
    return try StoreError.ofModel(file: folder.path(file)) {
      guard case .object = prompts else { throw ModelFault("prompts is no object") }
      let standard = try value.text("default_prompt_name").flatMap { try prompts.text($0) } ?? ""
      var passage: String?
      for name in ["document", "passage", "corpus"] where passage == nil { passage = try prompts.text(name) }
      return (try prompts.text("query") ?? standard, passage ?? standard)
    }
  }
}

/// The files of a model folder.
struct FolderFiles {
  private let directory: URL

  init(_ directory: URL) { self.directory = directory }

  func folder(_ path: String) -> FolderFiles { path.isEmpty ? self : FolderFiles(directory.appendingPathComponent(path)) }

  /// The path of a file. Links are followed, because folders of cached downloads consist of them.
  func path(_ name: String) -> String { directory.appendingPathComponent(name).resolvingSymlinksInPath().path }

  func contains(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func bytes(_ name: String) throws -> [UInt8] {
    let file = try FileHandle(path: path(name), access: .read)
    let size = try file.status().sizeBytes
    guard size <= 1 << 30 else { throw ModelFault("has \(size) bytes, which no such file needs") }
    return try file.read(count: size, at: 0)
  }

  /// - Returns: Nil if it does not exist.
  /// - Throws: ``StoreError``; a missing file is an error unless `isOptional`.
  func bytes(_ name: String, isOptional: Bool) throws(StoreError) -> [UInt8]? {
    try StoreError.ofModel(file: path(name)) {
      do {
        return try bytes(name)
      } catch let error as FileError where error.isMissing && isOptional {
        return nil
      }
    }
  }

  func json(_ name: String, isOptional: Bool) throws(StoreError) -> JSONValue? {
    guard let bytes = try bytes(name, isOptional: isOptional) else { return nil }
    return try StoreError.ofModel(file: path(name)) { try JSONReader.read(bytes) { try $0.readValue() } }
  }

  /// Reads a file that must hold an object.
  func requiredJSON(_ name: String) throws(StoreError) -> JSONValue {
    let value = try json(name, isOptional: false)
    guard let value, case .object = value else { throw ModelFault("is no object").error(in: path(name)) }
    return value
  }
}

extension JSONValue {
  func isNull(_ key: String) -> Bool { self[key] == nil || self[key] == .null }

  /// The text of a member; nil if it is missing or null.
  func text(_ key: String) throws -> String? {
    if isNull(key) { return nil }
    guard case .string(let text)? = self[key] else { throw ModelFault("'\(key)' is no string") }
    return text
  }

  func flag(_ key: String) throws -> Bool? {
    if isNull(key) { return nil }
    guard case .bool(let flag)? = self[key] else { throw ModelFault("'\(key)' is neither true nor false") }
    return flag
  }

  func integer(_ key: String, in range: ClosedRange<Int>, default standard: Int? = nil) throws -> Int {
    if isNull(key), let standard { return standard }
    guard case .number(.integer(let number))? = self[key], let number = Int(exactly: number), range.contains(number) else {
      throw ModelFault("'\(key)' must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func real(_ key: String, default standard: Float) throws -> Float {
    switch self[key] {
    case nil, .null: return standard
    case .number(.real(let number)) where number >= 0 && number < 1: return Float(number)
    case .number(.integer(0)): return 0
    default: throw ModelFault("'\(key)' must be a number from 0 to 1")
    }
  }
}
