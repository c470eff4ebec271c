import Formats

/// Walks over the lines of all files, in order. Other threads parse them ahead of the caller.
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
  private let parsed: ParsedLines
  /// Counts what the lines of all parts so far have.
  private var parser: LineParser
  private var part: ParsedLines.Part?
  /// The place in the part after that of the last line.
  private var place = 0
  private var finishedBytes = 0
  private var consumedBytes = 0
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
    parsed = ParsedLines(sources, dimension: dimension, isLossy: isLossy)
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
  var lastLine: [UInt8] {
    guard let part, place > 0 else { return [] }
    return Array(part.bytes[part.lines[place - 1].range])
  }

  /// The next line; nil at the end of the last file.
  ///
  /// - Throws: ``StoreError`` whose message begins with the file and the line, if the walk cannot go on.
  mutating func next() throws -> Step? {
    while true {
      if let part, place < part.lines.count {
        let line = part.lines[place]
        place += 1
        consumedBytes = line.consumedBytes
        let place = ImportLedger.Line(file: part.file, number: line.number)
        // An error of the whole import: if this line were left out, the lines after it would not be checked against it.
        if case .success(.store) = line.content, !isFirstOfFile {
          throw named(StoreError(.invalidImport, "a store line must be the first of its file"), place)
        }
        isFirstOfFile = false
        lines += 1
        if lines & 255 == 0 || finishedBytes + consumedBytes - bytesAtReport >= 1 << 20 { try report() }
        return Step(place: place, index: lines, content: line.content)
      }
      switch part?.end {
      case .failure(let error, let number): throw named(error, ImportLedger.Line(file: part?.file ?? 0, number: number))
      case .ofFile:
        finishedBytes += sources[part?.file ?? 0].sizeBytes
        (consumedBytes, isFirstOfFile) = (0, true)
      case .some(.none), nil: break
      }
      (part, place) = (parsed.nextPart(), 0)
      guard let part else {
        try report()
        return nil
      }
      parser.addCounts(of: part.parser)
    }
  }

  private mutating func report() throws {
    bytesAtReport = finishedBytes + consumedBytes
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
