import Foundation
import TestSupport
import Testing

@testable import Engram

/// Contexts and memories cannot be changed in place: the compiler says so.
@Suite struct ImmutabilityTests {
  private let directory = TemporaryDirectory()

  /// Type-checks a program against the module that this test was built with.
  private func compile(_ statements: String) async throws -> Subprocess.Outcome {
    let source = directory.path("main.swift")
    let program = """
      import Engram
      import Foundation

      let context = UserContext(userID: "u", friendshipLevel: 1)
      var copy = context
      copy = copy.with(friendshipLevel: 2)
      func look(_ memory: Memory) -> String { memory.text }
      \(statements)
      print(copy.friendshipLevel)

      """
    try program.write(toFile: source, atomically: false, encoding: .utf8)
    let search = (try [modulesDirectory()] + systemLibraries()).flatMap { ["-I", $0] }
    let command = ["swiftc", "-typecheck", "-swift-version", "6"] + search + [source]
    return try await onBlockingThread { try Subprocess.run("/usr/bin/env", command, timeout: .seconds(300)) }
  }

  /// The directory into which the build puts the modules: `Modules` beside the test bundle, or the bundle's own directory.
  private func modulesDirectory() throws -> String {
    let bundle = URL(filePath: try TestProcess.executable("any")).deletingLastPathComponent().path
    let candidates = [bundle + "/Modules", bundle]
    let found = candidates.first { FileManager.default.fileExists(atPath: $0 + "/Engram.swiftmodule") }
    return try #require(found, "there is no Engram.swiftmodule in \(candidates)")
  }

  /// The folders of the package's module maps, which the module's own imports need.
  private func systemLibraries() throws -> [String] {
    // From Tests/EngramTests/Contexts/ to the package's root.
    var url = URL(filePath: #filePath)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    let sources = url.appending(path: "Sources").path
    return try FileManager.default.contentsOfDirectory(atPath: sources).flatMap { [sources + "/" + $0, sources + "/" + $0 + "/include"] }
      .filter { FileManager.default.fileExists(atPath: $0 + "/module.modulemap") }
  }

  @Test func aProgramThatMakesChangedCopiesCompiles() async throws {
    let outcome = try await compile("")
    #expect(outcome.termination == .exited(0), "\(outcome.standardError)")
  }

  /// One program with every assignment: the compiler must report an error for each of its lines.
  @Test func aProgramThatAssignsToAFieldDoesNotCompile() async throws {
    let statements = [
      "copy.userID = \"v\"", "copy.conversationsCount = 3", "copy.friendshipLevel = 3", "copy.preferences = [:]", "copy.topics = []",
      "copy.lastMessage = nil", "copy.lastResponse = nil", "copy.firstSeen = Date()", "copy.lastSeen = Date()", "copy.topics.append(\"x\")",
      "copy.preferences[\"a\"] = \"b\"", "func change(_ memory: inout Memory) { memory.text = \"x\" }",
    ]
    let outcome = try await compile(statements.joined(separator: "\n"))
    #expect(outcome.termination == .exited(1))
    let errors = Set(outcome.standardError.split(separator: "\n").filter { $0.contains("main.swift:") && $0.contains(": error: ") })
    #expect(errors.count == statements.count, "\(outcome.standardError)")
    let areAssignments = errors.allSatisfy {
      $0.contains("cannot assign to property") || $0.contains("cannot use mutating member on immutable value")
        || $0.contains("cannot assign through subscript")
    }
    #expect(areAssignments, "\(outcome.standardError)")
    #expect(errors.count { $0.contains("cannot assign to property: 'friendshipLevel' is a 'let' constant") } == 1)
  }
}
