import Engram
import Formats

/// Aligned columns for people. Data in it is escaped; on a terminal the last column is cut to the width.
struct Table {
  struct Column {
    let title: String
    var alignsRight = false
    /// The most columns of a terminal that it takes.
    var limit: Int?
    /// Whether it is left out on a terminal if the last column would have too little room (the rightmost first), or if all its cells are
    /// empty.
    var givesWay = false
  }

  /// The width that the last column needs: if it has less, other columns are left out.
  static let roomForLast = 30

  private let columns: [Column]
  private var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  /// Left-aligned columns, but for those in `numbers`.
  ///
  /// - Parameter giving: The columns that may be left out on a terminal, each with its greatest width there; nil: as wide as needed.
  init(_ titles: [String], numbers: Set<String> = [], giving: [String: Int?] = [:]) {
    self.init(
      titles.map { Column(title: $0, alignsRight: numbers.contains($0), limit: giving[$0] ?? nil, givesWay: giving[$0] != nil) })
  }

  mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "a row has as many cells as there are columns")
    rows.append(cells.map(TerminalText.escaped))
  }

  func print() throws {
    let lines = lines(terminalWidth: Terminal.outputWidth)
    try Output.line(([Terminal.bold(lines[0])] + lines.dropFirst()).joined(separator: "\n"))
  }

  /// - Parameter terminalWidth: Nil if the table does not go to a terminal: then nothing is left out or cut.
  func lines(terminalWidth: Int?) -> [String] {
    let widths = columns.indices.map { column in
      let needed = max(TerminalText.width(columns[column].title), rows.map { TerminalText.width($0[column]) }.max() ?? 0)
      return terminalWidth == nil ? needed : min(needed, max(columns[column].limit ?? needed, TerminalText.width(columns[column].title)))
    }
    var shown = Array(columns.indices)
    if let terminalWidth {
      shown.removeAll { column in columns[column].givesWay && rows.allSatisfy { $0[column].isEmpty } }
      while let last = shown.last, let next = shown.dropLast().last(where: { columns[$0].givesWay }) {
        let room = terminalWidth - shown.dropLast().reduce(0) { $0 + widths[$1] + 2 }
        if room >= min(Self.roomForLast, widths[last]) { break }
        shown.removeAll { $0 == next }
      }
    }
    return ([columns.map(\.title)] + rows).map { line($0, widths, shown, limit: terminalWidth) }
  }

  private func line(_ cells: [String], _ widths: [Int], _ shown: [Int], limit: Int?) -> String {
    var text = ""
    for column in shown {
      if column != shown.first { text += "  " }
      let isLast = column == shown.last
      let padded =
        isLast && !columns[column].alignsRight
        ? cells[column] : TerminalText.fitted(cells[column], to: widths[column], alignRight: columns[column].alignsRight)
      text += padded
    }
    // An empty last cell leaves the padding of the others at the end of the line.
    if let last = shown.last, cells[last].isEmpty { while text.last == " " { text.removeLast() } }
    return limit.map { TerminalText.truncated(text, to: $0) } ?? text
  }
}

/// Names and values below each other.
struct Facts {
  private var facts: [(name: String, value: String)] = []

  mutating func add(_ name: String, _ value: String?) {
    if let value { facts.append((TerminalText.escaped(name), TerminalText.escaped(value))) }
  }

  func print() throws {
    let width = facts.map { TerminalText.width($0.name) }.max() ?? 0
    for fact in facts { try Output.line(Terminal.bold(TerminalText.fitted(fact.name, to: width)) + "  " + fact.value) }
  }
}
