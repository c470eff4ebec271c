import CSearchKernels

/// The queries of a batch in the form in which a scan compares them with the same codes.
struct CodeTiles: Sendable {
  let tier: CodeTier
  let queries: [CodeQuery]
  /// Tiles of `search_tile_queries` queries, one behind the other.
  fileprivate let values: [Int8]
  // SAFETY: four numbers each, which no thread changes.
  fileprivate let parameters: [search_code_query]

  /// - Parameter queries: Of one tier and dimension; at least one.
  init(_ queries: [CodeQuery], _ tier: CodeTier) {
    let (width, count) = (Int(search_tile_queries), queries[0].values.count)
    precondition(queries.allSatisfy { $0.values.count == count }, "the queries of a batch have one dimension")
    self.tier = tier
    self.queries = queries
    parameters = queries.map(\.parameters)
    var values = [Int8](repeating: 0, count: (queries.count + width - 1) / width * width * count)
    unsafe values.withUnsafeMutableBufferPointer { values in
      for (number, query) in queries.enumerated() {
        let (tile, place) = number.quotientAndRemainder(dividingBy: width)
        // SAFETY: each tile has room for the values of so many queries.
        unsafe search_place_in_tile(query.values, count, Int32(place), values.baseAddress! + tile * width * count)
      }
    }
    self.values = values
  }

  /// What a comparison of up to 128 rows has found.
  struct Found {
    /// For each query, which rows may score enough, bit 0 the first row; and which of them probably do.
    fileprivate(set) var possible: [LiveMask]
    fileprivate(set) var probable: [LiveMask]
    /// The bounds of the rows of a chunk, for each query; then those of the chunk behind it.
    fileprivate var bounds: [Float]
    /// The place of the first row in its chunk.
    fileprivate var place = 0
    fileprivate var masks: [search_code_masks]
    /// For unpacked codes.
    fileprivate var room: [UInt8]

    init(_ tiles: CodeTiles, codeBytes: Int) {
      let count = tiles.queries.count
      possible = [LiveMask](repeating: 0, count: count)
      probable = possible
      bounds = [Float](repeating: 0, count: 2 * count * CodeFile.chunkRows)
      masks = [search_code_masks](repeating: search_code_masks(), count: count)
      room = [UInt8](repeating: 0, count: search_tile_room(codeBytes, tiles.tier.bits))
    }

    /// The bound of a possible row for a query, to be compared with ``CodeQuery/threshold(_:)``.
    func bound(_ query: Int, _ slot: Int) -> Float {
      let (chunk, row) = (place + slot).quotientAndRemainder(dividingBy: CodeFile.chunkRows)
      return bounds[(chunk * possible.count + query) * CodeFile.chunkRows + row]
    }
  }
}

extension CodeFile {
  /// Which of consecutive rows may score so much, for each query of a batch: as ``filter(_:firstRow:count:_:threshold:bounds:)`` for one.
  ///
  /// - Parameters:
  ///   - slots: The rows to look at, from `firstRow` on; within 128 rows, and covered.
  ///   - thresholds: ``CodeQuery/threshold(_:)`` of the least score that counts, for each query.
  /// - Complexity: O(rows × queries × dimension).
  func filter(_ tiles: CodeTiles, firstRow: Int, _ slots: Range<Int>, thresholds: [Float], _ found: inout CodeTiles.Found) {
    precondition(slots.lowerBound >= 0 && slots.upperBound <= Self.chunkRows, "the rows of one block are looked at")
    precondition(thresholds.count == tiles.queries.count && found.possible.count == thresholds.count, "each query has a threshold")
    let (chunk, place) = firstRow.quotientAndRemainder(dividingBy: Self.chunkRows)
    found.place = place
    let (first, end) = (place + slots.lowerBound, place + slots.upperBound)
    let asked = (LiveMask.max >> LiveMask(Self.chunkRows - slots.count)) << LiveMask(slots.lowerBound)
    if first < Self.chunkRows {
      filter(tiles, chunk: chunk, first..<min(end, Self.chunkRows), thresholds, second: false, &found)
      for query in thresholds.indices {
        found.possible[query] = LiveMask(found.masks[query].possible) >> LiveMask(place) & asked
        found.probable[query] = LiveMask(found.masks[query].probable) >> LiveMask(place) & asked
      }
    } else {
      for query in thresholds.indices { (found.possible[query], found.probable[query]) = (0, 0) }
    }
    if end <= Self.chunkRows { return }
    filter(tiles, chunk: chunk + 1, max(0, first - Self.chunkRows)..<end - Self.chunkRows, thresholds, second: true, &found)
    for query in thresholds.indices {
      found.possible[query] |= LiveMask(found.masks[query].possible) << LiveMask(Self.chunkRows - place) & asked
      found.probable[query] |= LiveMask(found.masks[query].probable) << LiveMask(Self.chunkRows - place) & asked
    }
  }

  /// The same for rows of one chunk.
  private func filter(
    _ tiles: CodeTiles, chunk: Int, _ rows: Range<Int>, _ thresholds: [Float], second: Bool, _ found: inout CodeTiles.Found
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= Self.chunkRows, "the rows are those of one chunk")
    let window = Int(search_code_window)
    let codeBytes = header.codeBytes(tiles.tier)
    let count = thresholds.count
    precondition(
      tiles.values.count >= count * codeBytes * 8 / Int(tiles.tier.bits)
        && found.room.count >= search_tile_room(codeBytes, tiles.tier.bits), "the queries have the dimension of the codes")
    let start = unsafe map.pointer(at: offset(ofChunk: chunk) + header.offset(tiles.tier), count: Self.chunkRows * (codeBytes + 4))
    unsafe found.bounds.withUnsafeMutableBufferPointer { bounds in
      // SAFETY: the codes of 128 rows have their metadata behind them, aligned to 4 bytes; there is room for two chunks of bounds for each query.
      unsafe search_filter_tiles(
        Self.level, tiles.tier.bits, start.assumingMemoryBound(to: UInt8.self),
        (start + Self.chunkRows * codeBytes).assumingMemoryBound(to: UInt32.self), rows.lowerBound / window * window,
        (rows.upperBound + window - 1) / window * window, codeBytes, header.chunkBytes, tiles.values, tiles.parameters, thresholds, count,
        tiles.tier.nearness, &found.room, bounds.baseAddress! + (second ? count * Self.chunkRows : 0), &found.masks)
    }
  }
}

extension LiveMask {
  fileprivate init(_ halves: (UInt64, UInt64)) { self = LiveMask(halves.1) << 64 | LiveMask(halves.0) }
}
