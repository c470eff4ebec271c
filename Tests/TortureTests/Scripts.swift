import Foundation
import TestSupport

@testable import Torture

/// A recording written by hand.
struct Script {
  static let scope = "/disk"
  private var bytes = Array("S\t\(scope)\n".utf8)

  mutating func add(_ line: String, _ payload: [UInt8] = []) {
    bytes += Array("\(line)\n".utf8) + payload
  }

  mutating func make(_ name: String) { add("C\t\(Self.scope)/\(name)") }

  mutating func write(_ name: String, at offset: Int = 0, _ payload: [UInt8], isSynchronous: Bool = false) {
    add("W\t\(offset)\t\(payload.count)\t\(isSynchronous ? 1 : 0)\t\(Self.scope)/\(name)", payload)
  }

  mutating func flush(_ name: String, thread: Int = 1) {
    add("B\t\(thread)")
    add("F\t\(thread)\t\(Self.scope)/\(name)")
  }

  /// Flushes the directory itself.
  mutating func flushNames() {
    add("B\t1")
    add("F\t1\t\(Self.scope)")
  }

  func recording() throws -> Recording {
    let directory = TemporaryDirectory()
    let path = directory.path("recording")
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try Recording(file: path)
  }

  /// The files, by name, of many images of a crash `end` operations before the end of the recording.
  func images(_ count: Int = 400, isNextUnderWay: Bool = false, before end: Int = 0) throws -> [[String: [UInt8]]] {
    let recording = try recording()
    let disk = Disk(recording, count: recording.operations.count - end, isNextUnderWay: isNextUnderWay)
    return try (0..<count).map { number in
      let directory = TemporaryDirectory()
      var image = CrashImage(disk, generator: SeededGenerator(seed: UInt64(number)))
      try image.write(to: directory.path)
      return try Self.files(directory.path)
    }
  }

  /// All files below a directory, by their relative paths.
  static func files(_ directory: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: directory) {
      var isDirectory: ObjCBool = false
      guard unsafe FileManager.default.fileExists(atPath: "\(directory)/\(name)", isDirectory: &isDirectory), !isDirectory.boolValue else {
        continue
      }
      files[name] = Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)")))
    }
    return files
  }
}

/// Sectors filled with one byte.
func sector(_ byte: UInt8, count: Int = 1) -> [UInt8] { [UInt8](repeating: byte, count: DiskFile.sectorBytes * count) }
