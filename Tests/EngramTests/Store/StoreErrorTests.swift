import Testing

@testable import Engram

@Suite struct StoreErrorTests {
  @Test func aCodeIsCaughtAndSwitchedOver() {
    func name(_ code: StoreError.Code) -> String {
      switch code {
      case .diskFull: "full"
      case .storeBusy, .writerBusy: "busy"
      default: "other"
      }
    }
    #expect([.diskFull, .storeBusy, .writerBusy, .closed].map(name) == ["full", "busy", "busy", "other"])
    do {
      throw StoreError(.storeBusy, "busy", holder: 17)
    } catch let error as StoreError where error.code == .storeBusy {
      #expect(error.holder == 17 && !error.isCommitted && error.cause == nil)
    } catch {
      Issue.record("not caught: \(error)")
    }
  }

  @Test func aCodeIsItsName() {
    #expect("\(StoreError.Code.storeMoved)" == "storeMoved" && StoreError.Code.storeMoved.rawValue == "storeMoved")
    #expect(StoreError.Code(rawValue: "diskFull") == .diskFull && StoreError.Code(rawValue: "later") != .diskFull)
    #expect(Set([StoreError.Code.diskFull, .init(rawValue: "diskFull"), .closed]).count == 2)
    // Composed and decomposed names are different codes, although Swift considers the strings equal.
    #expect(StoreError.Code(rawValue: "\u{E9}") != StoreError.Code(rawValue: "e\u{301}"))
  }
}
