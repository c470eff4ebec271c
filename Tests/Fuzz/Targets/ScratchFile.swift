import Files
import TestSupport

/// One file of the process, written anew for each input that has to be a file. On a memory file system that is microseconds.
enum ScratchFile {
  private static let directory = TemporaryDirectory()
  static let path = directory.path("input")

  static func write(_ bytes: [UInt8]) throws {
    let file = try FileHandle(path: path, access: .create)
    try file.truncate(to: 0)
    try file.write(bytes, at: 0)
  }
}
