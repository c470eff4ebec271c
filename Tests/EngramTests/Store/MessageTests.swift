import Foundation
import Testing

/// The texts of the library's messages.
@Suite struct MessageTests {
  private static let sources: URL = {
    // From Tests/EngramTests/Store/ to the package's root.
    var url = URL(filePath: #filePath)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    return url.appending(path: "Sources")
  }()

  /// The bug: messages of the library named commands and options of memtool, which a program that embeds the library does not have. The
  /// fix: the library says what is wrong, and memtool adds its option.
  @Test func noMessageNamesAnOptionOrACommandOfATool() throws {
    let files = try #require(FileManager.default.enumerator(at: Self.sources, includingPropertiesForKeys: nil))
    var count = 0
    for case let file as URL in files where file.pathExtension == "swift" {
      count += 1
      for (number, line) in try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        .enumerated()
      {
        // Code never contains them, so outside of comments only messages can. A comment begins a line or follows two spaces.
        let code = line.drop { $0 == " " }.hasPrefix("//") ? "" : line.components(separatedBy: "  // ")[0]
        let place = "\(file.lastPathComponent):\(number + 1): \(line)"
        #expect(!code.contains("memtool"), "\(place)")
        #expect(code.firstMatch(of: /--[a-z]/) == nil, "\(place)")
      }
    }
    #expect(count > 200)
  }
}
