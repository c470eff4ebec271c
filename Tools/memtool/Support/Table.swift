import Engram

/// Aligned columns for people. Data in it is escaped; on a terminal the last column is cut to the width.
struct Table {
  struct Column {
    let title: String
    var alignsRight = false
  }

  private let columns: [Column]
  private var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  /// Left-aligned columns, but for those in `numbers`.
  init(_ titles: [String], numbers: Set<String> = []) {
    self.init(titles.map { Column(title: $0, alignsRight: numbers.contains($0)) })
  }

  mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "a row has as many cells as there are columns")
    rows.append(cells.map(TerminalText.escaped))
  }

  func print() throws {
    let widths = columns.indices.map { column in
      max(TerminalText.width(columns[column].title), rows.map { TerminalText.width($0[column]) }.max() ?? 0)
    }
    var lines = [line(columns.map(\.title), widths, limit: Terminal.outputWidth).map(Terminal.bold)]
    for row in rows { lines.append(line(row, widths, limit: Terminal.outputWidth)) }
    try Output.line(lines.compactMap(\.self).joined(separator: "\n"))
  }

  private func line(_ cells: [String], _ widths: [Int], limit: Int?) -> String? {
    var text = ""
    for (column, cell) in cells.enumerated() {
      if column > 0 { text += "  " }
      let isLast = column == cells.count - 1
      let padded =
        isLast && !columns[column].alignsRight
        ? cell : TerminalText.fitted(cell, to: widths[column], alignRight: columns[column].alignsRight)
      text += padded
    }
    // An empty last cell leaves the padding of the others at the end of the line.
    if cells.last?.isEmpty == true { while text.last == " " { text.removeLast() } }
    return limit.map { TerminalText.truncated(text, to: $0) } ?? text
  }
}

/// Names and values below each other.
struct Facts {
  private var facts: [(name: String, value: String)] = []

  mutating func add(_ name: String, _ value: String?) {
    if let value { facts.append((name, TerminalText.escaped(value))) }
  }

  func print() throws {
    let width = facts.map { TerminalText.width($0.name) }.max() ?? 0
    for fact in facts { try Output.line(Terminal.bold(TerminalText.fitted(fact.name, to: width)) + "  " + fact.value) }
  }
}
