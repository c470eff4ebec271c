import Foundation
import TestSupport
import Testing

/// The code of the README and of the guides.
@Suite struct SnippetTests {
  private let directory = TemporaryDirectory()

  /// Prefixes of the lines that each page's code prints; an empty prefix accepts any line.
  @Test(
    arguments: [
      ("README.md", ["1", "", "", "erased user ada: 2 memories, 2 embeddings, 1 context, 1 earlier version"]),
      ("Engram.md", ["loves ramen with extra egg"]),
      ("GettingStarted.md", ["1", "", #"["works in Faro"]"#, #"["works in Porto"]"#, "1 the last page", #"["dogs"] 6"#]),
      ("Lifecycle.md", []),
      ("Operating.md", ["0"]),
      ("Searching.md", ["", "ok 1"]),
      ("ChoosingAnEmbedder.md", ["hashing"]),
      ("Interchange.md", ["0 0"]),
      ("Conversations.md", ["0 0 0 []"]),
    ])
  func theCodeOfAPageRuns(page: String, printed: [String]) throws {
    let outcome = try Subprocess.run(try TestProcess.executable("ClientSnippets"), [page, directory.path])
    #expect(outcome.termination == .exited(0), "\(outcome)")
    let lines = outcome.standardOutput.split(separator: "\n")
    for (number, beginning) in printed.enumerated() {
      #expect(number < lines.count && lines[number].hasPrefix(beginning), "\(outcome)")
    }
    if page == "README.md" {
      #expect(lines[1].hasSuffix("loves ramen with extra egg") && lines[2].hasSuffix("has a dog named Turing"), "\(outcome)")
    }
    if page == "Lifecycle.md" { #expect(lines.last == "gone" && lines.contains { $0.hasPrefix("copying ") }, "\(outcome)") }
  }

  /// The bug: the first snippet did not compile, because `URL` needs Foundation. The fix: all code of the pages is compiled and run as the
  /// pages print it.
  @Test func theCodeThatRunsIsWhatThePagesPrint() throws {
    let program = try compiled()
    var printed: [String: [String]] = [:]
    for url in try Pages.all {
      for (number, block) in try blocks(url).enumerated() { printed["\(url.lastPathComponent) \(number + 1)"] = block }
    }
    #expect(printed.count >= 11)
    #expect(Set(printed.keys) == Set(program.keys))
    for (name, block) in printed { #expect(program[name] == block, "\(name)") }
  }

  /// The blocks of Swift code of a page, without those of a manifest and without imports.
  private func blocks(_ page: URL) throws -> [[String]] {
    let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```swift\n").dropFirst()
    return parts.map { lines($0.components(separatedBy: "```")[0]).filter { !$0.hasPrefix("import ") } }
      .filter { $0.first?.hasPrefix(".package(") != true }
  }

  /// The lines between `begin NAME` and `end` of the program, by name.
  private func compiled() throws -> [String: [String]] {
    var found: [String: [String]] = [:]
    var name: String?
    for line in lines(try String(contentsOf: Pages.root.appending(path: "Tests/ClientSnippets/Snippets.swift"), encoding: .utf8)) {
      if line.hasPrefix("// begin ") {
        name = String(line.dropFirst(9))
        found[name ?? "", default: []] = []
      } else if line == "// end" {
        name = nil
      } else if let name {
        found[name]?.append(line)
      }
    }
    return found
  }

  /// Lines without blanks at the ends and with single blanks inside, so that the layout of `swift format` does not matter.
  private func lines(_ text: String) -> [String] {
    text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }.filter { !$0.isEmpty }
  }
}

/// README.md and the pages of the documentation.
enum Pages {
  static let root: URL = {
    // From Tests/EngramClientTests/ to the package's root.
    var url = URL(filePath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url
  }()

  static var all: [URL] {
    get throws {
      let guides = try FileManager.default.contentsOfDirectory(
        at: root.appending(path: "Sources/Engram/Documentation.docc"), includingPropertiesForKeys: nil)
      return [root.appending(path: "README.md")] + guides.filter { $0.pathExtension == "md" }
    }
  }
}
