/// The key of an array index or of a superclass, neither of which a type's own `CodingKeys` has.
struct CBORCodingKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  static let `super` = CBORCodingKey(stringValue: "super")

  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }

  init(intValue: Int) {
    stringValue = "Index \(intValue)"
    self.intValue = intValue
  }
}

/// One step of a coding path; a key is made of an index only when an error asks for the path.
enum CBORPathComponent {
  case root
  case key(any CodingKey)
  case index(Int)

  var codingKey: (any CodingKey)? {
    switch self {
    case .root: nil
    case .key(let key): key
    case .index(let index): CBORCodingKey(intValue: index)
    }
  }
}

/// How a coding key is written in a map.
///
/// A key becomes an **integer** when it has an `intValue` and its `stringValue` is that integer in decimal, as the keys of `[Int:
/// Value]` do. Every other key is **text**: those of structs, also with `enum CodingKeys: Int` (whose string is the case's name), and
/// those of `[String: Value]` even if they look like numbers. Decoding accepts either form of a number.
enum CBORKeyForm {
  @inline(__always)
  static func integer(_ key: some CodingKey) -> Int? {
    guard let value = key.intValue, String(value) == key.stringValue else { return nil }
    return value
  }
}

/// A key in that form, taken from the coding key before anything is written, because the coding key's properties are user code.
enum CBOREncodedKey {
  case number(Int)
  case text(String)

  @inline(__always)
  init(_ key: some CodingKey, keysAreText: Bool) {
    if !keysAreText, let number = CBORKeyForm.integer(key) {
      self = .number(number)
    } else {
      self = .text(key.stringValue)
    }
  }
}

extension CBORWriter {
  @inline(__always)
  mutating func key(_ key: CBOREncodedKey) {
    switch key {
    case .number(let number): int(Int64(number))
    case .text(let name): text(name)
    }
  }
}

/// Marks `[String: Value]`, for which the standard library makes coding keys with an `intValue` of strings such as "1".
protocol CBORTextKeyed {}

extension Dictionary: CBORTextKeyed where Key == String {}
