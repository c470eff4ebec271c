import Formats

/// Reads the conversations of a file one after the other, and holds one at a time.
///
/// ```swift
/// var reader = try ConversationReader(.file(url), for: "ada")
/// while let element = try reader.next() {
///   for conversation in element.conversations { try await store.add(conversation) }
/// }
/// ```
public struct ConversationReader: Sendable {
  /// What a line or an element of the file holds.
  public struct Element: Sendable {
    /// The number of the line or the element of the array, counted from 1.
    public let number: Int
    /// Several in formats that have sessions. None if the element is at fault, or nothing of it is kept.
    public let conversations: [Conversation]
    /// Whether the element is a single message: its conversation is then a part of the conversation with the same id.
    public let isPart: Bool
    /// Messages that are left out.
    public let leftOut: [MessageOmission: Int]
    /// Images and files, which are left out.
    public let attachments: Int
    /// What is wrong with the element; nil if nothing is.
    public let fault: ConversationFault?
    /// The JSON text of the element, for programs that read other fields of it.
    public let json: [UInt8]
    /// Halves of surrogate pairs that were replaced by U+FFFD.
    public let replacedSurrogates: Int
  }

  /// The format of the file, as it was given or detected.
  public let format: ConversationFormat
  /// The name of the source in messages.
  public let name: String
  private let userID: String?
  private let options: ConversationOptions
  private var elements: ConversationElements

  /// - Parameters:
  ///   - userID: The user of the conversations. Nil: the user that the file names, in formats that name one: LoCoMo, LongMemEval, and
  ///     single messages with a key `user_id`.
  ///   - format: Nil: detected by the content.
  ///   - options: What is read.
  /// - Throws: ``StoreError`` `.invalidImport` if the format is not known, or the file is an archive; `.invalidArgument` without a user, if
  ///   the format names none; `.invalidUserID`, `.inputOutput`.
  public init(
    _ source: ImportSource, for userID: String? = nil, format: ConversationFormat? = nil,
    options: ConversationOptions = ConversationOptions()
  ) throws {
    if let userID { try Limits.checkUserID(userID) }
    try Limits.check(options.createdAt, "the option createdAt")
    guard let format = try format ?? ConversationFormat.detected(in: source) else {
      let known = ConversationFormat.allCases.map(\.rawValue).joined(separator: ", ")
      throw StoreError(.invalidImport, "\(source.name) has no conversations of a known format (\(known))")
    }
    if userID == nil, ![.loCoMo, .longMemEval, .messages].contains(format) {
      throw StoreError(.invalidArgument, "\(source.name) does not say whose conversations it has: name the user")
    }
    var options = options
    options.roles = Set(options.roles.map(MessageRole.name))
    self.format = format
    self.userID = userID
    self.options = options
    name = source.name
    do {
      elements = try ConversationElements(source)
    } catch {
      throw StoreError.surfacing(error, "\(source.name) cannot be read")
    }
  }

  /// Bytes of the file read so far.
  var consumedBytes: Int { elements.consumedBytes }

  /// The next line or element; nil at the end of the file, and after a fault that makes the rest unreadable.
  ///
  /// - Throws: ``StoreError`` `.inputOutput`.
  /// - Complexity: O(bytes of the element), and holds them; an element above 64 MiB is at fault.
  public mutating func next() throws -> Element? {
    let element: ConversationElements.Element?
    do {
      element = try elements.next()
    } catch {
      throw StoreError.surfacing(error, "\(name) cannot be read")
    }
    guard let element else { return nil }
    var decoding = ConversationDecoding(options: options, userID: userID, file: fileName, number: element.number, isLine: elements.isLines)
    do {
      let bytes = try element.content.get()
      let (value, replaced) = try ConversationFormat.tree(bytes, isLossy: options.isLossy)
      try decoding.decode(value, format)
      return Element(
        number: element.number, conversations: decoding.conversations, isPart: decoding.isPart, leftOut: decoding.leftOut,
        attachments: decoding.attachments, fault: nil, json: bytes, replacedSurrogates: replaced)
    } catch {
      let message = (error as? StoreError)?.message ?? (error as? ShapeFault)?.message ?? SystemErrorText.text(of: error)
      return Element(
        number: element.number, conversations: [], isPart: false, leftOut: [:], attachments: 0,
        fault: fault(message, at: element.number, id: decoding.id), json: (try? element.content.get()) ?? [], replacedSurrogates: 0)
    }
  }

  func fault(_ message: String, at number: Int, id: String?) -> ConversationFault {
    ConversationFault(
      file: name, number: number, isLine: elements.isLines, id: id.map { TerminalText.excerpt($0) }, message: message)
  }

  /// The last part of the name.
  private var fileName: String { name.split(separator: "/").last.map(String.init) ?? name }
}

/// What is wrong with the shape of a conversation.
struct ShapeFault: Error {
  let message: String
}
