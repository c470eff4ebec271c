import Foundation
import TestSupport
import Testing

/// The committed corpora, through the functions that libFuzzer calls. `Tools/fuzz` looks for more.
@Suite(.serialized) struct ReplayTests {
  private static let corpora = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpora")

  @Test(arguments: FuzzTarget.allCases) func everyInputKeepsThePropertiesOfItsTarget(target: FuzzTarget) throws {
    let directory = Self.corpora.appending(path: target.rawValue)
    let inputs = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
    #expect(inputs.count >= 3)
    for url in inputs {
      let input = Array(try Data(contentsOf: url))
      #expect(throws: Never.self, "\(target.rawValue)/\(url.lastPathComponent)") { try target.run(input) }
    }
  }

  /// What is near the inputs that are kept, in a second: half of it is what a few changed bytes make of them.
  @Test(arguments: FuzzTarget.allCases) func changedInputsDoToo(target: FuzzTarget) throws {
    let directory = Self.corpora.appending(path: target.rawValue)
    let inputs = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
      .sorted { $0.lastPathComponent < $1.lastPathComponent }.map { Array(try Data(contentsOf: $0)) }
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<(target == .importing ? 40 : 400) {
      var input = inputs.randomElement(using: &generator) ?? []
      for _ in 0..<Int.random(in: 1...4, using: &generator) where !input.isEmpty {
        let place = Int.random(in: input.indices, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: input.removeSubrange(place..<min(place + 9, input.count))
        case 1: input.insert(contentsOf: input[0...place].suffix(9), at: place)
        default: input[place] = UInt8(truncatingIfNeeded: generator.next())
        }
      }
      #expect(throws: Never.self, "\(target.rawValue): \(Data(input).base64EncodedString())") { try target.run(input) }
    }
  }
}
