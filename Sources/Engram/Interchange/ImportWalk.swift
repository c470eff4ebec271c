import Formats

/// Walks over the lines of all files, in order.
struct ImportWalk {
  /// A line that was read.
  struct Step {
    let place: ImportLedger.Line
    /// Its number among all lines of all files, those at fault included.
    let index: Int
    let content: Result<InterchangeLine, StoreError>
  }

  private let sources: [ImportSource]
  private let phase: OperationProgress.Phase
  /// Called now and then; an error that it throws ends the walk.
  private let progress: (OperationProgress) throws -> Void
  private let totalBytes: Int
  private var parser: LineParser
  private var reader: LineReader?
  private var file = -1
  private var finishedBytes = 0
  private var isFirstOfFile = true
  private var lines = 0
  private var bytesAtReport = 0

  init(
    _ sources: [ImportSource], dimension: Int?, isLossy: Bool, phase: OperationProgress.Phase,
    _ progress: @escaping (OperationProgress) throws -> Void
  ) {
    self.sources = sources
    self.phase = phase
    self.progress = progress
    totalBytes = sources.reduce(0) { $0 + $1.sizeBytes }
    parser = LineParser(dimension: dimension, isLossy: isLossy)
  }

  /// Sets the counts of unknown keys, of times that were numbers and of replaced surrogates in a summary.
  func addCounts(to summary: inout ImportSummary) {
    summary.unknownKeyCount = parser.unknownKeyCount
    summary.unknownKeys = parser.unknownKeys
    summary.secondsSince1970 = parser.secondsSince1970
    summary.millisecondsSince1970 = parser.millisecondsSince1970
    summary.replacedSurrogates = parser.replacedSurrogates
  }

  /// The bytes of the last line that ``next()`` read.
  var lastLine: [UInt8] { reader?.lastLine ?? [] }

  /// The next line; nil at the end of the last file.
  ///
  /// - Throws: ``StoreError`` whose message begins with the file and the line, if the walk cannot go on.
  mutating func next() throws -> Step? {
    while true {
      if reader == nil {
        guard file + 1 < sources.count else {
          try report()
          return nil
        }
        file += 1
        reader = LineReader(sources[file])
        isFirstOfFile = true
      }
      var content: Result<InterchangeLine, StoreError>?
      do {
        content = try unsafe reader?.next { bytes in
          do throws(StoreError) {
            return .success(unsafe try parser.parse(bytes))
          } catch {
            return .failure(error)
          }
        }
        // An error of the whole import: if this line were left out, the lines after it would not be checked against it.
        if case .success(.store)? = content, !isFirstOfFile {
          throw StoreError(.invalidImport, "a store line must be the first of its file")
        }
      } catch {
        throw named(error, ImportLedger.Line(file: file, number: reader?.lineNumber ?? 0))
      }
      isFirstOfFile = false
      if let content, let reader {
        lines += 1
        if lines & 255 == 0 || finishedBytes + reader.consumedBytes - bytesAtReport >= 1 << 20 { try report() }
        return Step(place: ImportLedger.Line(file: file, number: reader.lineNumber), index: lines, content: content)
      }
      finishedBytes += sources[file].sizeBytes
      reader = nil
    }
  }

  private mutating func report() throws {
    bytesAtReport = finishedBytes + (reader?.consumedBytes ?? 0)
    try progress(.init(phase: phase, done: bytesAtReport, total: totalBytes, count: lines))
  }

  /// Runs `body`, and puts the file and the line before the message of an error that it throws.
  static func naming<Value>(_ place: ImportLedger.Line, of sources: [ImportSource], _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch {
      throw named(error, place, of: sources)
    }
  }

  private static func named(_ error: any Error, _ place: ImportLedger.Line, of sources: [ImportSource]) -> any Error {
    guard let error = aboutLine(error) else { return StoreError.wrapping(error, "the import failed") }
    return StoreError(
      error.code, "\(sources[place.file].name):\(place.number): \(error.message)",
      holder: error.holder, isCommitted: error.isCommitted, cause: error.cause)
  }

  func named(_ error: any Error, _ place: ImportLedger.Line) -> any Error { Self.named(error, place, of: sources) }

  /// The fault of a line; nil if the error is about the store or the disk.
  func fault(_ error: any Error, _ place: ImportLedger.Line) -> ImportFault? {
    Self.aboutLine(error).map { error in
      let reason = if let cause = error.cause as? CBORError { ": \(cause)" } else { "" }
      return ImportFault(file: sources[place.file].name, line: place.number, message: error.message + reason)
    }
  }

  private static func aboutLine(_ error: any Error) -> StoreError? {
    guard let error = StoreError.wrapping(error, "the import failed") as? StoreError else { return nil }
    switch error.code {
    case .corrupted, .diskFull, .permissionDenied, .readOnlyFileSystem, .tooManyReaders, .outOfResources, .storeBusy, .inputOutput,
      .reopening, .inDoubt:
      return nil
    default: return error
    }
  }
}
