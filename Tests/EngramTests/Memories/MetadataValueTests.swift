import Foundation
import Testing

@testable import Engram

@Suite struct MetadataValueTests {
  @Test func literalsInterpolationsAndVariablesAreValues() {
    let (count, ratio, isDone, name) = (7, 0.5, true, "ada")
    let metadata: [String: MetadataValue] = [
      "literal": 3, "half": 2.5, "yes": true, "text": "plain", "step": "step \(count) of \(name)",
      "count": .init(count), "ratio": .init(ratio), "done": .init(isDone), "name": .init(name),
      "time": .init(Date(timeIntervalSince1970: 1.001)),
    ]
    let expected: [String: MetadataValue] = [
      "literal": .integer(3), "half": .double(2.5), "yes": .bool(true), "text": .string("plain"), "step": .string("step 7 of ada"),
      "count": .integer(7), "ratio": .double(0.5), "done": .bool(true), "name": .string("ada"), "time": .integer(1001),
    ]
    #expect(metadata == expected)
  }
}
