import Dispatch
import Foundation
import Synchronization

/// The lines of all files, in order, parsed ahead of the caller by several threads.
///
/// Each thread in turn cuts the next part off the files, parses it without the others, and hands it over.
final class ParsedLines {
  struct Line: Sendable {
    /// Its number in the file, counted from 1.
    let number: Int
    let content: Result<InterchangeLine, StoreError>
    /// The bytes of the file up to the end of the line.
    let consumedBytes: Int
    /// Its place in ``Part/bytes``.
    let range: Range<Int>
  }

  /// Consecutive lines of one file.
  struct Part: Sendable {
    let file: Int
    var bytes: [UInt8] = []
    var lines: [Line] = []
    /// Counts what the lines have.
    var parser: LineParser
    var end = End.none
  }

  enum End: Sendable {
    case none
    /// The part is the last one of its file.
    case ofFile
    /// The file cannot be read further: the error, and the number of the line.
    case failure(any Error, line: Int)
  }

  private let work: Work
  private let threads: Int
  private var next = 0

  /// Less is parsed by the caller's thread: starting others takes as long.
  private static let leastBytes = 1 << 20

  init(_ sources: [ImportSource], dimension: Int?, isLossy: Bool) {
    work = Work(sources, LineParser(dimension: dimension, isLossy: isLossy))
    let isLarge = sources.reduce(0) { $0 + $1.sizeBytes } >= Self.leastBytes
    var threads = 0
    // Without any thread the caller parses.
    for _ in 0..<(isLarge ? Self.threadCount : 0) {
      guard (try? startThread(work.run)) != nil else { break }
      threads += 1
    }
    self.threads = threads
    for _ in 0..<threads * Self.partsPerThread { work.free.signal() }
  }

  /// One thread cuts at a time, so more than a few would wait for each other.
  private static let threadCount = min(8, max(2, ProcessInfo.processInfo.activeProcessorCount))

  /// Parts that are parsed ahead of the caller. A part of a line of many MiB counts as many.
  private static let partsPerThread = 3

  deinit {
    work.stop.set()
    for _ in 0..<threads { work.free.signal() }
  }

  /// The next part, which may be without lines; nil after the last one of the last file, or after one that ends with a failure.
  func nextPart() -> Part? {
    defer { next += 1 }
    while true {
      if let part = work.take(next) {
        for _ in 0..<1 + part.bytes.count / Work.partBytes { work.free.signal() }
        return part
      }
      if work.isOver(at: next) { return nil }
      if threads == 0 { work.makePart() } else { work.made.wait() }
    }
  }

  private final class Work: Sendable {
    /// Bounds of a part.
    static let partBytes = 256 << 10
    private static let partLines = 128

    private struct Cutting {
      var reader: LineReader?
      var file = -1
      var parts = 0
      var isOver = false
    }

    private struct Made {
      var parts: [Int: Part] = [:]
      /// The number of parts; nil while more may come.
      var count: Int?
    }

    private let sources: [ImportSource]
    private let parser: LineParser
    private let cutting = Mutex(Cutting())
    private let parts = Mutex(Made())
    let stop = StopFlag()
    // Both begin at 0, because a semaphore must not be released with a value below its first one.
    let made = DispatchSemaphore(value: 0)
    let free = DispatchSemaphore(value: 0)

    init(_ sources: [ImportSource], _ parser: LineParser) {
      self.sources = sources
      self.parser = parser
    }

    @Sendable func run() {
      while true {
        free.wait()
        if stop.isSet { return }
        guard let byteCount = makePart() else {
          // Wakes the caller, and the next thread, which ends as well.
          made.signal()
          free.signal()
          return
        }
        made.signal()
        // A large part takes the room of others, after the caller has got it: it may be the one that the caller waits for.
        for _ in 0..<byteCount / Self.partBytes {
          free.wait()
          if stop.isSet { return }
        }
      }
    }

    func take(_ number: Int) -> Part? { parts.withLock { $0.parts.removeValue(forKey: number) } }

    func isOver(at number: Int) -> Bool { parts.withLock { made in made.count.map { number >= $0 } ?? false } }

    /// Cuts and parses one part.
    ///
    /// - Returns: Its bytes; nil if there is no further one.
    @discardableResult
    func makePart() -> Int? {
      guard let (number, unparsed, lines) = cutting.withLock({ cut(&$0) }) else { return nil }
      var part = unparsed
      part.lines.reserveCapacity(lines.count)
      let bytes = part.bytes
      // SAFETY: the ranges lie inside the bytes, which do not change during the call.
      unsafe bytes.withUnsafeBytes { bytes in
        for line in lines {
          let content: Result<InterchangeLine, StoreError>
          do throws(StoreError) {
            content = .success(unsafe try part.parser.parse(UnsafeRawBufferPointer(rebasing: bytes[line.range])))
          } catch {
            content = .failure(error)
          }
          part.lines.append(Line(number: line.number, content: content, consumedBytes: line.consumedBytes, range: line.range))
        }
      }
      parts.withLock { $0.parts[number] = part }
      return bytes.count
    }

    private typealias CutLine = (number: Int, consumedBytes: Int, range: Range<Int>)

    /// - Returns: The number of the part, the part without its parsed lines, and the places of these; nil if nothing is left.
    private func cut(_ cutting: inout Cutting) -> (Int, Part, [CutLine])? {
      if cutting.reader == nil {
        cutting.file += 1
        if cutting.isOver || cutting.file >= sources.count {
          let count = cutting.parts
          cutting.isOver = true
          parts.withLock { $0.count = count }
          return nil
        }
        cutting.reader = LineReader(sources[cutting.file])
      }
      var part = Part(file: cutting.file, parser: parser)
      var lines: [CutLine] = []
      while lines.count < Self.partLines, part.bytes.count < Self.partBytes {
        let start = part.bytes.count
        do {
          guard unsafe try cutting.reader?.next({ unsafe part.bytes.append(contentsOf: $0) }) != nil else {
            part.end = .ofFile
            break
          }
        } catch {
          part.end = .failure(error, line: cutting.reader?.lineNumber ?? 0)
          cutting.isOver = true
          break
        }
        lines.append((cutting.reader?.lineNumber ?? 0, cutting.reader?.consumedBytes ?? 0, start..<part.bytes.count))
      }
      if case .none = part.end {} else { cutting.reader = nil }
      defer { cutting.parts += 1 }
      return (cutting.parts, part, lines)
    }
  }
}
