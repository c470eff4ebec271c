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

/// A place in a listing, as a text of 44 letters, digits, `-` and `_`: it can be part of an address or of a request.
///
/// It belongs to one store and its copies, one kind of listing, one set of users and one direction. It stays valid when memories or users
/// are added or deleted, also those next to it, and after the store was closed, compacted or restored from a backup.
public struct PageCursor: Sendable, Hashable, LosslessStringConvertible, Codable {
  public let description: String

  /// The cursor with this text. Any text is taken: the call that gets the cursor refuses a damaged or foreign one as `.invalidArgument`, so
  /// that it is never taken for the first page.
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
