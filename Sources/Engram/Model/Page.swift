import Formats

/// One page of a listing: its elements in order, and where the next page begins.
///
/// ```swift
/// var cursor: PageCursor?
/// repeat {
///   let page = try store.memories(for: "ada", after: cursor)
///   for memory in page { print(memory.text) }
///   cursor = page.next
/// } while cursor != nil
/// ```
public struct Page<Element: Sendable>: Sendable, RandomAccessCollection {
  public let elements: [Element]
  /// The place after the last element; nil: there is no further page.
  public let next: PageCursor?

  init(_ elements: [Element], next: PageCursor?) {
    self.elements = elements
    self.next = next
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { elements.count }
  public subscript(index: Int) -> Element { elements[index] }
}

extension Page: Equatable where Element: Equatable {}
extension Page: Hashable where Element: Hashable {}
extension Page: Encodable where Element: Encodable {}
extension Page: Decodable where Element: Decodable {}

/// A position in a listing, encoded as 44 letters, digits, `-` and `_`, so that it fits into a URL or a request as it is.
///
/// It belongs to one store and its copies, one kind of listing, one set of users and one direction. It stays valid when memories or users
/// are added or deleted, even right beside the position, and after the store was closed, compacted or restored from a backup.
public struct PageCursor: Sendable, Hashable, LosslessStringConvertible, Codable {
  public let description: String

  /// The cursor with this text, which is not checked here. A call that gets a damaged or foreign cursor throws `.invalidArgument`; it never
  /// returns the first page instead.
  public init(_ description: String) { self.description = description }

  /// Whether both have the same text, byte for byte.
  public static func == (left: PageCursor, right: PageCursor) -> Bool { left.description.hasSameBytes(as: right.description) }

  public func hash(into hasher: inout Hasher) { description.hash(bytesInto: &hasher) }

  public init(from decoder: any Decoder) throws { description = try decoder.singleValueContainer().decode(String.self) }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
