/// The content of a disk that promises only what POSIX does, after some operations of a recording.
///
/// The flush of a file covers its bytes and the size that they need, and not the name that leads to it: that is the directory's flush.
struct Disk: Sendable {
  let recording: Recording
  private(set) var files: [Int: DiskFile] = [:]
  private(set) var directories: [Int: DiskDirectory] = [DiskOperation.root: DiskDirectory()]
  private var sequence = 0
  private var flushes: [Int: Int] = [:]

  init(_ recording: Recording) { self.recording = recording }

  /// The disk when the first `count` operations were completed, and the next one was perhaps under way.
  init(_ recording: Recording, count: Int, isNextUnderWay: Bool = false) {
    self.init(recording)
    for operation in recording.operations[..<count] { complete(operation) }
    if isNextUnderWay, count < recording.operations.count { begin(recording.operations[count]) }
  }

  mutating func complete(_ operation: DiskOperation) {
    begin(operation)
    switch operation {
    case .write(let file, _, _, isSynchronous: true): files[file]?.flushLastWrite(recording.bytes)
    case .beginFlush(let thread): flushes[thread] = sequence
    case .endFlush(let thread, let node):
      let covered = flushes.removeValue(forKey: thread) ?? 0
      files[node]?.flush(through: covered, recording.bytes)
      directories[node]?.flush(through: covered)
    default: break
    }
  }

  /// Begins an operation. Nothing of it is promised until the call returns, but all of it may be on the disk.
  private mutating func begin(_ operation: DiskOperation) {
    sequence += 1
    switch operation {
    case .write(let file, let offset, let content, _): files[file]?.write(offset, content, sequence: sequence)
    case .resize(let file, let size): files[file]?.resize(size, sequence: sequence)
    case .makeFile(let file): files[file] = DiskFile()
    case .makeDirectory(let directory): directories[directory] = DiskDirectory()
    case .rename(let directory, let entries): directories[directory]?.change(entries, sequence: sequence)
    case .beginFlush, .endFlush, .print: break
    }
  }
}
