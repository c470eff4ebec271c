import Engram
import Formats

/// Reads the settings of a tokenizer: `tokenizer.json`, or `vocab.txt` if that does not exist, and `tokenizer_config.json`.
enum TokenizerFiles {
  /// The file that has the vocabulary.
  static func name(_ folder: FolderFiles) -> String { folder.contains("tokenizer.json") ? "tokenizer.json" : "vocab.txt" }

  /// - Parameter maximumTokens: The limit of the model; if nil, that of the tokenizer, but at most as many as the model has positions.
  static func settings(_ folder: FolderFiles, shape: ModelFolder.Shape, maximumTokens: Int?) throws(StoreError) -> WordPiece.Settings {
    let name = "tokenizer_config.json"
    let configuration = try folder.json(name, isOptional: true) ?? .object([])
    let limit = try StoreError.ofModel(file: folder.path(name)) {
      // A tokenizer without a limit of its own has 1e30 here, which is no integer.
      let own: Int? = if case .number(.integer(let number))? = configuration["model_max_length"] { Int(exactly: number) } else { nil }
      let limit = maximumTokens ?? min(own ?? shape.positions, shape.positions)
      guard (3...shape.positions).contains(limit) else {
        throw ModelFault("texts of \(limit) tokens do not fit the \(shape.positions) positions of the model")
      }
      return limit
    }
    var settings =
      if let value = try folder.json("tokenizer.json", isOptional: true) {
        try StoreError.ofModel(file: folder.path("tokenizer.json")) { try fast(value, limit) }
      } else {
        try plain(folder, limit)
      }
    guard settings.tokens.count <= shape.vocabulary else {
      throw ModelFault("has \(settings.tokens.count) tokens, the model \(shape.vocabulary)").error(in: folder.path(self.name(folder)))
    }
    return try StoreError.ofModel(file: folder.path(name)) {
      settings.normalizer.lowercases = try configuration.flag("do_lower_case") ?? settings.normalizer.lowercases
      settings.normalizer.separatesIdeographs = try configuration.flag("tokenize_chinese_chars") ?? settings.normalizer.separatesIdeographs
      settings.normalizer.removesAccents =
        try configuration.flag("strip_accents") ?? settings.removesAccents ?? settings.normalizer.lowercases
      return settings
    }
  }

  private static func fast(_ value: JSONValue, _ maximumTokens: Int) throws -> WordPiece.Settings {
    func require(_ part: String, _ type: String) throws -> JSONValue {
      guard let object = value[part], case .object = object else { throw ModelFault("has no '\(part)'") }
      let found = try object.text("type") ?? ""
      guard found.hasSameBytes(as: type) else { throw ModelFault("'\(part)' is of the type '\(found)': '\(type)' is supported") }
      return object
    }
    let model = try require("model", "WordPiece")
    let normalizer = try require("normalizer", "BertNormalizer")
    _ = try require("pre_tokenizer", "BertPreTokenizer")
    guard case .object(let members)? = model["vocab"], !members.isEmpty else { throw ModelFault("'vocab' is no object of tokens") }
    var tokens = [String?](repeating: nil, count: members.count)
    for member in members {
      guard case .number(.integer(let id)) = member.value, tokens.indices.contains(Int(id)), tokens[Int(id)] == nil else {
        throw ModelFault("the ids of 'vocab' are not the numbers from 0 to \(members.count - 1), each once: '\(member.key)'")
      }
      tokens[Int(id)] = member.key
    }
    var settings = WordPiece.Settings(tokens: tokens.compactMap { $0 }, specialTokens: [], maximumTokens: maximumTokens)
    settings.unknownToken = try model.text("unk_token") ?? "[UNK]"
    settings.continuingPrefix = try model.text("continuing_subword_prefix") ?? "##"
    settings.longestWord = try model.integer("max_input_chars_per_word", in: 1...1_000_000, default: 100)
    settings.normalizer.cleansText = try normalizer.flag("clean_text") ?? true
    settings.normalizer.separatesIdeographs = try normalizer.flag("handle_chinese_chars") ?? true
    settings.normalizer.lowercases = try normalizer.flag("lowercase") ?? true
    settings.removesAccents = try normalizer.flag("strip_accents")
    if case .array(let added)? = value["added_tokens"] {
      for token in added {
        guard let text = try token.text("content") else { throw ModelFault("an added token has no 'content'") }
        let id = try token.integer("id", in: 0...(settings.tokens.count - 1))
        for flag in ["single_word", "lstrip", "rstrip", "normalized"] where try token.flag(flag) ?? false {
          throw ModelFault("the added token '\(text)' is '\(flag)', which is not supported")
        }
        settings.specialTokens.append(WordPiece.SpecialToken(text: text, id: Int32(id)))
      }
    }
    return settings
  }

  /// Reads a vocabulary with one token per line.
  private static func plain(_ folder: FolderFiles, _ maximumTokens: Int) throws(StoreError) -> WordPiece.Settings {
    let name = "vocab.txt"
    let bytes = try folder.bytes(name, isOptional: false) ?? []
    return try StoreError.ofModel(file: folder.path(name)) {
      var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      if lines.last?.isEmpty ?? false { lines.removeLast() }
      let tokens = try lines.map { line in
        let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        guard let token = String(validating: line, as: UTF8.self) else { throw ModelFault("is not UTF-8") }
        return token
      }
      let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].compactMap { text in
        tokens.firstIndex { $0.hasSameBytes(as: text) }.map { WordPiece.SpecialToken(text: text, id: Int32($0)) }
      }
      return WordPiece.Settings(tokens: tokens, specialTokens: special, maximumTokens: maximumTokens)
    }
  }
}
