/// Encodes `Codable` values as deterministic CBOR (RFC 8949 section 4.2.1): the same value has the same bytes, whatever the iteration
/// order of its dictionaries.
///
/// | Swift | CBOR |
/// | --- | --- |
/// | integers of every width | integer; beyond 64 bits a big number (tags 2 and 3) |
/// | `Double`, `Float` | the shortest float that keeps the value |
/// | `Data`; `[UInt8]` | byte string; array of integers |
/// | `Date` | tag 1 or 1001, see ``CBORWriter/date(_:)`` |
/// | `UUID`, `URL`, `Decimal` | tags 37, 32 and 4 |
/// | `nil` in an array or by `encodeNil` | null; synthesized conformances leave the key out |
/// | keyed containers | map with text keys, or with integer keys for `[Int: Value]`, see ``CBORKeyForm`` |
///
/// A key that is encoded twice keeps the later value.
package struct CBOREncoder: Sendable {
  package var userInfo: [CodingUserInfoKey: any Sendable] = [:]
  /// How many levels of arrays, maps and tags may enclose one another.
  package var depthLimit = CBORWriter.defaultDepthLimit

  package init() {}

  /// - Throws: `EncodingError.invalidValue` when the value nests too deep (`underlyingError` is a ``CBORError``) or encodes nothing at
  ///   all; and whatever the value's own `encode(to:)` throws.
  package func encode(_ value: some Encodable) throws -> [UInt8] {
    let session = CBOREncodingSession(userInfo: userInfo)
    var writer = CBORWriter(reservingCapacity: 128)
    let encoding = CBOREncoding(session: session, parent: nil, component: .root, depthLeft: depthLimit)
    try encoding.encodeInPlace(value)
    if let error = session.error { throw error }
    guard encoding.hasContent else {
      throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "the value did not encode anything"))
    }
    encoding.finish(into: &writer)
    return writer.bytes
  }
}
