import Foundation
import TestSupport
import Testing

@testable import Engram

/// Bug: a filter for the integer 1546130668394913822 matched the double 1546130668394913792.0, in `delete` as well. Cause: both were
/// compared as doubles, which have 53 bits. Fix: integers and doubles are compared exactly.
@Suite(.serialized) struct NumberOrderTests {
  private let scratch = ScratchStore()

  /// Neighbours of powers of two, where rounding shows, and the ends of both types.
  private static let values: [MetadataValue] = {
    var values: [MetadataValue] = [
      0, 0.0, -0.0, 0.5, -0.5, 1, 1.0, -1, -1.0, 1.5, .integer(.max), .integer(.min), .double(0x1p63), .double(-0x1p63),
      .double((0x1p63).nextDown), .double((-0x1p63).nextDown), .double((-0x1p63).nextUp), .double(1e300), .double(-1e300),
      .double(.leastNonzeroMagnitude), .integer(1_546_130_668_394_913_822), .double(1_546_130_668_394_913_792), .integer(.max - 512),
    ]
    for power in [52, 53, 54, 60, 62] {
      let whole = Int64(1) << Int64(power)
      values += [.integer(whole - 1), .integer(whole), .integer(whole + 1), .integer(-whole - 1), .integer(-whole)]
      values += [.double(Double(whole)), .double(Double(whole).nextUp), .double(Double(whole).nextDown), .double(-Double(whole))]
    }
    return values
  }()

  /// The exact value: `Int128` holds every value up to 38 digits, and larger ones are clamped, which keeps their order with the others.
  private func exact(_ value: MetadataValue) -> (whole: Int128, fraction: Double)? {
    switch value {
    case .integer(let integer): return (Int128(integer), 0)
    case .double(let double):
      let clamped = min(max(double, -1e37), 1e37)
      let whole = clamped.rounded(.down)
      return (Int128(whole), clamped - whole)
    default: return nil
    }
  }

  @Test func integersAndDoublesAreComparedExactly() throws {
    for left in Self.values {
      for right in Self.values {
        let (a, b) = (try #require(exact(left)), try #require(exact(right)))
        #expect(left.matches(right) == (a == b), "\(left) \(right)")
        #expect(left.precedes(right) == (a < b), "\(left) \(right)")
        if left == right { #expect(left.hashValue == right.hashValue) }
      }
    }
    let nan = MetadataValue.double(.nan)
    for value in Self.values {
      #expect(!value.matches(nan) && !nan.matches(value) && !value.precedes(nan) && !nan.precedes(value))
    }
  }

  @Test func filtersFindAndDeleteExactlyTheNumber() async throws {
    let store = try await scratch.open()
    let (integer, double) = (MetadataValue.integer(1_546_130_668_394_913_822), MetadataValue.double(1_546_130_668_394_913_792))
    let ids = try await store.add([integer, double].map { MemoryDraft(userID: "u", text: "t", metadata: ["n": $0]) }).map(\.id)
    #expect(try await store.ids(scope: .all, filter: .metadata("n", equals: integer)) == [ids[0]])
    #expect(try await store.ids(scope: .all, filter: .metadata("n", equals: double)) == [ids[1]])
    #expect(try await store.ids(scope: .all, filter: .metadataRange("n", from: integer, to: nil)) == [ids[0]])
    #expect(try await store.ids(scope: .all, filter: .metadataRange("n", from: nil, to: integer)) == [ids[1]])
    #expect(try await store.ids(scope: .all, filter: .metadataRange("n", from: double, to: nil)).count == 2)
    #expect(try await store.delete(where: .metadata("n", equals: integer), scope: .user("u")) == 1)
    #expect(try store.memory(ids[1], for: "u") != nil)
    try await store.close()
  }
}
