/// State shared by all encoders of one call.
final class CBOREncodingSession {
  let userInfo: [CodingUserInfoKey: Any]
  /// The first misuse of containers that was found in a method that may not throw.
  var error: EncodingError?
  /// Contents whose buffers can be used again: an array of a thousand structs then allocates as one struct does.
  private var pool: [CBOREncodedContent] = []

  init(userInfo: [CodingUserInfoKey: Any]) {
    self.userInfo = userInfo
  }

  func makeContent(_ kind: CBOREncodedContent.Kind) -> CBOREncodedContent {
    guard let content = pool.popLast() else { return CBOREncodedContent(kind) }
    content.kind = kind
    return content
  }

  func recycle(_ content: inout CBOREncodedContent?) {
    // A container that the user's code still holds must not write into another value.
    guard isKnownUniquelyReferenced(&content), let spent = content.take() else {
      content = nil
      return
    }
    guard pool.count < 32 else { return }
    spent.reset()
    pool.append(spent)
  }
}

/// The encoder of one value: its place in the coding path, and the bytes it has produced.
final class CBOREncoding: Encoder {
  let session: CBOREncodingSession
  private let parent: CBOREncoding?
  private let component: CBORPathComponent
  /// How many levels of containers and tags may still be opened inside of this value.
  let depthLeft: Int
  /// Set for `[String: Value]`, see ``CBORKeyForm``.
  private var keysAreText = false
  private var content: CBOREncodedContent?

  /// - Parameter content: Receives the bytes if a container has already given this value its place; nil otherwise.
  init(
    session: CBOREncodingSession, parent: CBOREncoding?, component: CBORPathComponent, depthLeft: Int,
    content: CBOREncodedContent? = nil
  ) {
    self.session = session
    self.parent = parent
    self.component = component
    self.depthLeft = depthLeft
    self.content = content
  }

  var userInfo: [CodingUserInfoKey: Any] { session.userInfo }

  var codingPath: [any CodingKey] {
    var path: [any CodingKey] = []
    var encoding: CBOREncoding? = self
    while let current = encoding {
      if let key = current.component.codingKey { path.append(key) }
      encoding = current.parent
    }
    return path.reversed()
  }

  func codingPath(_ component: CBORPathComponent) -> [any CodingKey] {
    codingPath + [component.codingKey].compactMap(\.self)
  }

  // MARK: Encoder

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(CBORKeyedEncoding<Key>(encoding: self, content: open(.map), keysAreText: keysAreText))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    CBORUnkeyedEncoding(encoding: self, content: open(.array))
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    CBORSingleValueEncoding(encoding: self)
  }

  /// A class and its superclass may both ask for a container; they get the same one when they ask for the same kind.
  private func open(_ kind: CBOREncodedContent.Kind) -> CBOREncodedContent {
    if depthLeft < 1 {
      record(CBORError(.depthExceeded, at: 0, "arrays, maps and tags are nested too deep"))
    }
    guard let content else {
      let opened = session.makeContent(kind)
      content = opened
      return opened
    }
    if content.kind == .empty { content.kind = kind }
    if content.kind == kind { return content }
    record(CBORError(.unencodable, at: 0, "a value asked for containers of different kinds"))
    return session.makeContent(kind)
  }

  private func record(_ error: CBORError) {
    guard session.error == nil else { return }
    session.error = invalid((), error, codingPath)
  }

  // MARK: Values

  /// Encodes a value as the whole of this encoder.
  func encodeInPlace<Value: Encodable>(_ value: Value) throws {
    guard !hasContent else {
      throw invalid(value, CBORError(.unencodable, at: 0, "a single value was encoded after something else"), codingPath)
    }
    let single = content ?? session.makeContent(.empty)
    content = single
    do throws(CBORError) {
      if try CBORKnownType.write(value, to: &single.buffer.writer, depthLeft: depthLeft) {
        single.kind = .single
        return
      }
    } catch {
      throw invalid(value, error, codingPath)
    }
    if Value.self is any CBORTextKeyed.Type { keysAreText = true }
    try value.encode(to: self)
  }

  /// Writes a scalar as the whole of this encoder.
  func writeSingle(_ value: some Encodable, _ write: (inout CBORWriter) -> Void) throws {
    guard !hasContent else {
      throw invalid(value, CBORError(.unencodable, at: 0, "a single value was encoded after something else"), codingPath)
    }
    let single = content ?? session.makeContent(.empty)
    write(&single.buffer.writer)
    single.kind = .single
    content = single
  }

  /// Encodes a value whose type is no ``CBORKnownType``, in an encoder below this one.
  func encodeBelow<Value: Encodable>(_ value: Value, _ component: CBORPathComponent) throws -> CBOREncoding {
    guard depthLeft > 0 else {
      throw invalid(
        value, CBORError(.depthExceeded, at: 0, "arrays, maps and tags are nested too deep"), codingPath(component))
    }
    let below = below(component)
    below.keysAreText = Value.self is any CBORTextKeyed.Type
    try value.encode(to: below)
    return below
  }

  func below(_ component: CBORPathComponent, content: CBOREncodedContent? = nil) -> CBOREncoding {
    CBOREncoding(session: session, parent: self, component: component, depthLeft: depthLeft - 1, content: content)
  }

  func invalid(_ value: Any, _ error: CBORError, _ path: [any CodingKey]) -> EncodingError {
    EncodingError.invalidValue(value, .init(codingPath: path, debugDescription: error.message, underlyingError: error))
  }

  // MARK: Result

  var hasContent: Bool { (content?.kind ?? .empty) != .empty }

  /// Moves the bytes to the end of `writer`.
  func finish(into writer: inout CBORWriter) {
    guard let content else {
      writer.map(count: 0)
      return
    }
    content.finish(into: &writer)
    session.recycle(&self.content)
  }
}
