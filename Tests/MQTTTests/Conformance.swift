/// What MQTT 3.1.1 asks of a client, statement by statement, each with the tests that show it, and
/// the faults of a broker that must be survived. `Tests/MQTT-conformance.md` is made from these
/// tables.
struct Statement: Sendable {
    /// "2.3.1-1" of [MQTT-2.3.1-1].
    var number: String
    var rule: String
    /// Names of test functions anywhere in Tests; none: the rule says why.
    var tests: [String]

    init(_ number: String, _ rule: String, _ tests: String...) {
        self.number = number
        self.rule = rule
        self.tests = tests
    }
}

let clientStatements: [Statement] = [
    Statement(
        "1.5.3-1", "Strings are well-formed UTF-8; what is not closes the connection",
        "refusesWithTheStatementOffended",
        "connectedInboundMalformed"),
    Statement(
        "1.5.3-2", "No U+0000 in a string; one that comes closes",
        "refusesWithTheStatementOffended",
        "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "1.5.3-3", "U+FEFF is a character like any other and is kept",
        "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "2.2.2-1", "Reserved flag bits have the values of table 2.2",
        "everyPacketHasTheBytesOfTheSpecification"),
    Statement("2.2.2-2", "Invalid flags close the connection", "refusesWithTheStatementOffended"),
    Statement(
        "2.3.1-1", "A packet id is never zero",
        "packetIDsWrapPastZeroAndSkipThoseInUse",
        "refusesWithTheStatementOffended"),
    Statement(
        "2.3.1-2", "A new packet gets an id that is not in use",
        "packetIDsWrapPastZeroAndSkipThoseInUse",
        "whenEveryPacketIDIsTakenTheConnectionClosesInsteadOfReusingOne"),
    Statement(
        "2.3.1-3", "A packet sent again keeps its id; the id is free after the answer",
        "aMissingPubackSendsTheSamePacketAgainWithDup",
        "packetIDsWrapPastZeroAndSkipThoseInUse"),
    Statement(
        "2.3.1-5", "A message with QoS 0 has no packet id",
        "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "2.3.1-6", "PUBACK carries the message's packet id", "messagesComeThroughAndDuplicatesToo"),
    Statement(
        "2.3.1-7", "SUBACK and UNSUBACK carry the id of what they answer",
        "subackInboundUnknownID",
        "unsubackInboundForASubscribe"),
    Statement("3.1.0-1", "CONNECT is the first packet", "connectIsTheFirstPacketAndConnackOpens"),
    Statement("3.1.0-2", "CONNECT is sent once", "aSecondConnectIsNeverSent"),
    Statement(
        "3.1.2-1", "The protocol name is MQTT",
        "everyPacketHasTheBytesOfTheSpecification",
        "refusesWithTheStatementOffended"),
    Statement(
        "3.1.2-2", "The protocol level is 4",
        "everyPacketHasTheBytesOfTheSpecification",
        "refusesWithTheStatementOffended"),
    Statement(
        "3.1.2-3", "The reserved connect flag is zero",
        "everyPacketHasTheBytesOfTheSpecification",
        "refusesWithTheStatementOffended"),
    Statement(
        "3.1.2-6", "With a clean session nothing of the last one is used",
        "whatWasNotAcknowledgedComesBackInOrderAndGoesOutAgainWithoutDup"),
    Statement(
        "3.1.2-9", "With the will flag, topic and message of the will are in the payload",
        "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.1.2-11", "Without it there is nothing of a will", "refusesWithTheStatementOffended"),
    Statement("3.1.2-13", "Without it the will's QoS is zero", "refusesWithTheStatementOffended"),
    Statement("3.1.2-14", "The will's QoS is not 3", "refusesWithTheStatementOffended"),
    Statement(
        "3.1.2-15", "Without it the will's retain flag is zero", "refusesWithTheStatementOffended"),
    Statement(
        "3.1.2-18", "No user name without its flag", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.1.2-19", "A user name with its flag", "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.1.2-20", "No password without its flag", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.1.2-21", "A password with its flag", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.1.2-22", "No password without a user name", "refusesWithTheStatementOffended"),
    Statement(
        "3.1.2-23", "A packet at least once in the keep alive time, if need be PINGREQ",
        "anIdleLinkIsPingedBeforeTheKeepAliveIsOver",
        "aLinkOnWhichWeOnlySendIsPingedToo"),
    Statement(
        "3.1.3-1", "The payload's fields come in their order",
        "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.1.3-2", "The client id names the session", "connectsWithTheLongClientIDAndAFreshToken"),
    Statement(
        "3.1.3-3", "The client id is there and first", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.1.3-4", "The client id is UTF-8", "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.1.3-7", "An empty client id goes with a clean session",
        "anEmptyClientIDAlwaysComesWithACleanSession"),
    Statement("3.1.3-10", "The will's topic is UTF-8", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.1.3-11", "The user name is UTF-8", "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.2.0-1", "The first packet received is CONNACK (the client checks it)",
        "connectingInboundAnythingButConnack"),
    Statement(
        "3.2.2-1", "No session after a clean start (the client checks it)",
        "connectingInboundSessionPresentAfterClean"),
    Statement(
        "3.2.2-4", "No session with a refusal (the client checks it)",
        "refusesWithTheStatementOffended"),
    Statement("3.2.2-5", "A refusal ends the connection", "aRefusalIsReportedWithItsCode"),
    Statement(
        "3.3.1-1", "DUP on a message sent again", "aMissingPubackSendsTheSamePacketAgainWithDup"),
    Statement("3.3.1-2", "No DUP with QoS 0", "refusesWithTheStatementOffended"),
    Statement(
        "3.3.1-3", "DUP says only whether this is a repetition",
        "aMissingPubackSendsTheSamePacketAgainWithDup"),
    Statement("3.3.1-4", "QoS 3 closes", "refusesWithTheStatementOffended"),
    Statement(
        "3.3.2-1", "The topic name is first and UTF-8", "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.3.2-2", "No wildcard in a topic name",
        "refusesWithTheStatementOffended",
        "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "3.3.4-1", "A message with QoS 1 is answered by PUBACK",
        "messagesComeThroughAndDuplicatesToo",
        "pubacksLeaveInTheOrderOfTheirMessages"),
    Statement("3.8.1-1", "SUBSCRIBE has flags 2", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.8.3-1", "Filters are UTF-8", "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.8.3-3", "SUBSCRIBE has at least one filter", "refusesWithTheStatementOffended"),
    Statement("3.8.3-4", "Its reserved bits are zero", "refusesWithTheStatementOffended"),
    Statement(
        "3.8.4-1", "SUBSCRIBE is answered (the client waits so long)", "subscribeInboundSilence"),
    Statement("3.8.4-2", "with its own id (the client checks it)", "subackInboundUnknownID"),
    Statement(
        "3.8.4-5", "and a code for each filter (the client checks it)", "subackInboundWrongCount"),
    Statement(
        "3.9.3-1", "Codes are in the order of the filters",
        "subscribeAndUnsubscribeAreAnsweredByTheirIDs"),
    Statement(
        "3.9.3-2", "No other codes than 0, 1, 2 and 0x80 (the client checks it)",
        "refusesWithTheStatementOffended"),
    Statement("3.10.1-1", "UNSUBSCRIBE has flags 2", "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.10.3-1", "Its filters are UTF-8, one after the other",
        "everyPacketHasTheBytesOfTheSpecification"),
    Statement("3.10.3-2", "UNSUBSCRIBE has at least one filter", "refusesWithTheStatementOffended"),
    Statement(
        "3.10.4-4", "UNSUBACK has its id (the client checks it)", "unsubackInboundForASubscribe"),
    Statement(
        "3.12.4-1", "PINGREQ is answered (the client waits so long)", "keepAliveInboundSilence"),
    Statement(
        "3.14.1-1", "DISCONNECT's reserved bits are zero",
        "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "3.14.4-1", "After DISCONNECT the client closes",
        "stopWaitsForAcknowledgementsThenDisconnects"),
    Statement("3.14.4-2", "and sends nothing more", "disconnectIsTheLastPacket"),
    Statement(
        "4.1.0-1", "The session's state is kept as long as the session",
        "aPubackSettlesTheMessageOnce"),
    Statement("4.3.1-1", "QoS 0 goes out with DUP 0", "everyPacketHasTheBytesOfTheSpecification"),
    Statement(
        "4.3.2-1", "QoS 1: an unused id, DUP 0, unacknowledged until PUBACK",
        "aPubackSettlesTheMessageOnce",
        "packetIDsWrapPastZeroAndSkipThoseInUse"),
    Statement(
        "4.3.2-2", "QoS 1 received: PUBACK, after which the id is free",
        "messagesComeThroughAndDuplicatesToo"),
    Statement("4.3.3-1", "QoS 2 is not used: it is never sent"),
    Statement("4.3.3-2", "QoS 2 is not used: received, it closes", "publishInboundQoS2"),
    Statement("4.4.0-1", "Only for sessions that are not clean; ours are"),
    Statement(
        "4.5.0-2", "What is received is acknowledged, whatever becomes of it",
        "messagesComeThroughAndDuplicatesToo"),
    Statement(
        "4.6.0-1", "Messages are sent again in their order",
        "messagesAreSentAgainInTheOrderOfTheOriginals"),
    Statement(
        "4.6.0-2", "PUBACKs leave in the order of the messages",
        "pubacksLeaveInTheOrderOfTheirMessages"),
    Statement("4.6.0-3", "QoS 2 is not used", "publishInboundQoS2"),
    Statement("4.6.0-4", "QoS 2 is not used", "publishInboundQoS2"),
    Statement("4.7.1-1", "No wildcard in a topic name", "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "4.7.1-2", "# stands alone or after a slash, and last",
        "refusesWithTheStatementOffended",
        "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "4.7.1-3", "+ fills a level",
        "refusesWithTheStatementOffended",
        "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "4.7.3-1", "Names and filters have a character at least", "refusesWithTheStatementOffended"),
    Statement("4.7.3-2", "and no U+0000", "refusesWithTheStatementOffended"),
    Statement("4.7.3-3", "and at most 65,535 bytes", "namesAndFiltersThatCannotBeBuilt"),
    Statement(
        "4.8.0-1", "A protocol violation closes",
        "connectedInboundMalformed",
        "connectedInboundClientPackets",
        "connectedInboundSecondConnack"),
    Statement(
        "4.8.0-2", "So does an error while a packet is read",
        "publishInboundSlowLoris",
        "aPacketOverTheLimitIsRefusedAtItsLength"),
    Statement("6.0.0-3", "WebSocket is not used"),
    Statement("7.0.0-2", "No extension is needed", "connectIsTheFirstPacketAndConnackOpens"),
    Statement(
        "7.1.2-1", "TCP and TLS are ordered, lossless streams",
        "carriesBytesBothWaysAndSeesTheEnd",
        "movesALotBothWaysAtOnce"),
]

/// Of the broker and of TLS: what it does, and that nothing worse than a reconnect comes of it. The
/// tests say themselves which fault is theirs: their names begin with "Fault 26, a missing PUBACK:
/// …".
let brokerFaults: [(number: Int, name: String)] = [
    (21, "no DNS answer, no connection"),
    (22, "no CONNACK"),
    (23, "CONNACK 4 or 5"),
    (24, "the first packet is not CONNACK"),
    (25, "a half-open link"),
    (26, "a missing PUBACK"),
    (27, "an unsolicited PUBACK"),
    (28, "SUBACK empty, short, reserved or refusing"),
    (29, "a remaining length that is huge or lies"),
    (30, "a topic past its packet, empty, with NUL or no UTF-8"),
    (31, "reserved flags or QoS 3"),
    (32, "65,000 slashes in a topic"),
    (33, "a slow-loris broker"),
    (34, "closed right after one record or one attach"),
    (35, "client-id takeover ping-pong"),
    (36, "a command twice"),
    (37, "config again on reconnect"),
    (38, "nonsense on the errors topic"),
    (39, "one attach refused"),
    (40, "a long backlog"),
    (41, "packet ids come round"),
    (42, "expired, not yet valid, wrong host, unknown CA"),
    (43, "TLS 1.1 at most"),
    (44, "an end without close_notify"),
    (45, "RST in a write"),
    (46, "a ticket or KeyUpdate in a write"),
    (47, "CA file missing, host empty"),
]

/// Statements about servers only, which the sources may cite too.
let serverStatements: Set = [
    "2.3.1-4", "3.1.2-4", "3.1.2-24", "3.1.4-2", "3.2.2-2", "3.2.2-3", "3.3.1-8", "3.3.1-9",
    "3.6.1-1", "3.8.4-3",
    "3.8.4-4", "3.8.4-6", "3.10.4-5", "4.6.0-6", "4.7.2-1", "4.7.3-4",
]
