import Foundation
import TestSupport
import Testing

@testable import Torture

/// Checks the edits in `Tests/Torture/Defects` without a build.
@Suite struct PlantedDefectTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  private static let defects = root.appending(path: "Tests/Torture/Defects")
  private let directory = TemporaryDirectory()

  /// If a line changes that an edit looks for, the defect can no longer be planted, and the harness would not test for it.
  @Test func everyDefectAppliesToTheSourcesAsTheyAre() throws {
    let outcome = try plant(["check"])
    #expect(outcome.termination == .exited(0), "\(outcome.standardError)")
  }

  @Test func everyDefectHasAFileAndEveryFileADefect() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.defects.path).filter { $0.hasSuffix(".defect") }
    #expect(Set(files) == Set(PlantedDefects.all.map { "\($0.name).defect" } + ["Switch.defect", "R1.defect"]))
    for defect in PlantedDefects.all {
      let text = try String(contentsOf: Self.defects.appending(path: "\(defect.name).defect"), encoding: .utf8)
      #expect(text.contains("PlantedDefect.isPlanted(\"\(defect.name)\")"), "\(defect.name) is never switched on")
      #expect(defect.tiers.allSatisfy { Tiers.named($0) != nil }, "\(defect.name) names a tier that does not exist")
    }
  }

  /// A file that has another name now would hide the defect: its violations would not be recognised.
  @Test func everyFileOfAViolationIsOneOfTheProduct() throws {
    let sources = try Script.files(Self.root.appending(path: "Sources").path).map { String(decoding: $0.1, as: UTF8.self) }
    var names: Set<String> = []
    for defect in PlantedDefects.all {
      for found in defect.violation.matches(of: /([a-z.\\0-9]+): row/) { names.insert(String(found.1.replacing("\\", with: ""))) }
    }
    #expect(names.isSuperset(of: ["rows.f32", "codes"]))
    for name in names { #expect(sources.contains { $0.contains("\"\(name)\"") }, "no file is called \(name)") }
  }

  @Test func theProductHasNoTraceOfThem() throws {
    let sources = try Script.files(Self.root.appending(path: "Sources").path)
    #expect(sources.count > 100)
    for (name, bytes) in sources { #expect(!String(decoding: bytes, as: UTF8.self).contains("PlantedDefect"), "\(name)") }
  }

  @Test func theCopyIsTheSourcesWithTheDefectsAndIsNotWrittenTwice() throws {
    let copy = directory.path("copy")
    #expect(try plant(["copy", copy]).termination == .exited(0))
    let first = try modification("\(copy)/Sources/Files/Directories.swift")
    let text = try String(contentsOfFile: "\(copy)/Sources/Files/Directories.swift", encoding: .utf8)
    #expect(text.contains("PlantedDefect.isPlanted(\"P3\")"))
    #expect(!FileManager.default.fileExists(atPath: "\(copy)/.build"))

    try Data("stale".utf8).write(to: URL(filePath: "\(copy)/Sources/Files/Stale.swift"))
    #expect(try plant(["copy", copy]).termination == .exited(0))
    #expect(try modification("\(copy)/Sources/Files/Directories.swift") == first)
    #expect(!FileManager.default.fileExists(atPath: "\(copy)/Sources/Files/Stale.swift"))
  }

  @Test func anEditWithoutItsLineIsNamed() throws {
    let copy = directory.path("copy")
    #expect(try plant(["copy", copy]).termination == .exited(0))
    // Runs the copy's own `plant.py` on the copy's sources, in which these lines are commented out.
    for (path, line) in [
      ("Sources/Files/Directories.swift", "package static func synchronize("),
      ("Sources/Engram/Writing/RowStaging.swift", "guard needsFlush"),
    ] {
      let text = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
      try text.replacingOccurrences(of: line, with: "// \(line)").write(toFile: "\(copy)/\(path)", atomically: true, encoding: .utf8)
    }
    let outcome = try plant(["check"], of: URL(filePath: copy).appending(path: "Tests/Torture/Defects"))
    #expect(outcome.termination == .exited(1))
    for name in ["P1", "P3", "P8"] { #expect(outcome.standardError.contains("\(name).defect no longer applies to Sources/")) }
    #expect(!outcome.standardError.contains("P12.defect"))
  }

  private func plant(_ arguments: [String], of defects: URL = Self.defects) throws -> Subprocess.Outcome {
    let python = ProcessInfo.processInfo.environment["ENGRAM_PYTHON"] ?? "python3"
    return try Subprocess.run("/usr/bin/env", [python, defects.appending(path: "plant.py").path] + arguments)
  }

  private func modification(_ path: String) throws -> Date? {
    try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
  }
}
