#include "control/compile/app_patterns.h"

#include <array>

namespace sluice {
namespace {

constexpr L7Transport kTcp = L7Transport::Tcp;
constexpr L7Transport kUdp = L7Transport::Udp;
constexpr L7Side kClient = L7Side::Initiator;
constexpr L7Side kServer = L7Side::Responder;
constexpr bool kWeak = true;

// Words of text protocols count in any case, by (?i) in the expression. A pattern that a later
// byte could contradict ends with the line, so that a longer prefix never changes the answer.
constexpr auto kPatterns = std::to_array<AppPattern>({
    // HTTP (RFC 9112 2.1, 3, 4; RFC 9113 3.4). A target longer than what is scanned is told by the
    // dispatch.
    {App::Http, kTcp, kClient, R"(^[A-Z]{3,16} [^\x00-\x20\x7f]+ HTTP/1\.[0-9]\r?\n)"},
    {App::Http, kTcp, kClient, R"(^PRI \* HTTP/2\.0\r\n\r\nSM\r\n\r\n)"},
    {App::Http, kTcp, kServer, R"(^HTTP/1\.[0-9] [1-5][0-9][0-9][ \r\n])"},
    // TLS (RFC 8446 5.1, 4.1.2): a record with a hello, or an alert in place of the answer.
    {App::Tls, kTcp, kClient, R"(^\x16\x03[\x00-\x04].{2}\x01)"},
    {App::Tls, kTcp, kServer, R"(^\x16\x03[\x00-\x04].{2}\x02)"},
    {App::Tls, kTcp, kServer, R"(^\x15\x03[\x00-\x04]\x00\x02[\x01\x02])"},
    // SSH (RFC 4253 4.2). A server may send other lines first.
    {App::Ssh, kTcp, kClient, R"(^SSH-(2\.0|1\.[0-9]{1,2})-[\x21-\x7e])"},
    {App::Ssh, kTcp, kServer, R"(^([^\x00\n]*\n){0,3}SSH-(2\.0|1\.[0-9]{1,2})-[\x21-\x7e])"},
    // DNS (RFC 1035 4.1, 4.2.2): opcode, counts and the question are looked at in the shape test.
    {App::Dns, kTcp, kClient, R"(^.{4}[\x00-\x2f].\x00\x01\x00\x00)"},
    {App::Dns, kTcp, kServer, R"(^.{4}[\x80-\xaf].\x00[\x00\x01])"},
    {App::Dns, kUdp, kClient, R"(^.{2}[\x00-\x2f].\x00\x01)"},
    {App::Dns, kUdp, kServer, R"(^.{2}[\x80-\xaf].\x00[\x00\x01])"},
    // SMTP (RFC 5321 3.1, 4.1.1.1).
    {App::Smtp, kTcp, kClient, R"((?i)^(EHLO|HELO|LHLO) [^\x00\r\n])"},
    {App::Smtp, kTcp, kServer, R"((?i)^220[ -][^\r\n]*SMTP[^\r\n]*\r?\n)"},
    {App::Smtp, kTcp, kServer, R"(^(220|421|554)[ -][^\r\n]*\r?\n)", kWeak},
    // FTP (RFC 959 4.1, 5.4; RFC 4217).
    {App::Ftp, kTcp, kServer, R"((?i)^220[ -][^\r\n]*FTP[^\r\n]*\r?\n)"},
    {App::Ftp, kTcp, kServer, R"(^(220|120|421)[ -][^\r\n]*\r?\n)", kWeak},
    {App::Ftp, kTcp, kClient, R"((?i)^(FEAT|SYST|AUTH (TLS|SSL)|HOST [^\r\n ]+)\r?\n)"},
    {App::Ftp, kTcp, kClient, R"((?i)^(USER [^\x00\r\n]+|QUIT|NOOP)\r?\n)", kWeak},
    // POP3 (RFC 1939 3, 7; RFC 2449).
    {App::Pop3, kTcp, kServer, R"(^\+OK [^\x00\r\n]+\r?\n)"},
    {App::Pop3, kTcp, kServer, R"(^(\+OK\r?\n|-ERR))", kWeak},
    {App::Pop3, kTcp, kClient, R"((?i)^(CAPA|STLS|APOP [^\x00\r\n]+)\r?\n)"},
    {App::Pop3, kTcp, kClient, R"((?i)^(USER [^\x00\r\n]+|QUIT|NOOP|AUTH( [^\x00\r\n]+)?)\r?\n)",
     kWeak},
    // IMAP (RFC 9051 2.2, 7.1).
    {App::Imap, kTcp, kServer, R"((?i)^\* (OK|PREAUTH|BYE)[ \[])"},
    {App::Imap, kTcp, kClient,
     R"((?i)^[a-z0-9.]{1,16} (CAPABILITY|LOGIN|AUTHENTICATE|STARTTLS|ID|SELECT|LOGOUT|NOOP)[ \r])"},
    // MySQL, connection phase: HandshakeV10, HandshakeResponse41, or an error in its place.
    {App::Mysql, kTcp, kServer, R"(^.{2}\x00\x00\x0a[0-9]{1,2}\.[0-9][\x21-\x7e]*\x00)"},
    {App::Mysql, kTcp, kServer, R"(^.\x00\x00\x00\xff[\x10-\x12\x69\x6a]\x04)"},
    {App::Mysql, kTcp, kClient, R"(^.{2}\x00\x01.{4}.{3}[\x00\x01\x40].\x00{19})"},
    // PostgreSQL, message formats: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest;
    // AuthenticationRequest, ErrorResponse.
    {App::Postgresql, kTcp, kClient, R"(^\x00\x00..\x00\x03\x00[\x00-\x02][a-z])"},
    {App::Postgresql, kTcp, kClient,
     R"(^\x00\x00\x00(\x08\x04\xd2\x16[\x2f\x30]|\x10\x04\xd2\x16\x2e))"},
    {App::Postgresql, kTcp, kServer, R"(^R\x00\x00\x00[\x08-\x40]\x00\x00\x00[\x00-\x0c])"},
    {App::Postgresql, kTcp, kServer, R"(^[SN]R\x00\x00\x00[\x08-\x40]\x00\x00\x00[\x00-\x0c])"},
    {App::Postgresql, kTcp, kServer, R"(^E\x00\x00.{2}S[A-Z]{4,16}\x00)"},
    // Redis serialization protocol.
    {App::Redis, kTcp, kClient, R"(^\*[1-9][0-9]{0,6}\r\n\$[1-9][0-9]{0,8}\r\n)"},
    {App::Redis, kTcp, kClient, R"((?i)^(PING|INFO|HELLO [23][^\x00\r\n]*)\r\n)"},
    {App::Redis, kTcp, kClient, R"((?i)^AUTH [^\x00\r\n]+\r\n)", kWeak},
    {App::Redis, kTcp, kServer,
     R"(^(\+PONG\r\n|-(NOAUTH|WRONGPASS|DENIED|MISCONF|LOADING|MOVED|NOPERM) ))"},
    {App::Redis, kTcp, kServer,
     R"(^(\$(-1|[0-9]{1,9})|:[0-9]{1,19}|\*[0-9]{1,7}|%[0-9]{1,7})\r\n)"},
    {App::Redis, kTcp, kServer, R"(^(\+OK\r\n|-ERR))", kWeak},
    // MongoDB wire protocol: OP_QUERY, OP_MSG, OP_COMPRESSED, OP_REPLY.
    {App::Mongodb, kTcp, kClient, R"(^.{8}\x00{4}(\xd4\x07|\xdd\x07|\xdc\x07)\x00\x00)"},
    {App::Mongodb, kTcp, kServer, R"(^.{12}(\x01\x00|\xdd\x07|\xdc\x07)\x00\x00)"},
    // memcached, text and binary; over UDP behind eight bytes of its own.
    {App::Memcached, kTcp, kClient,
     R"(^(gets?|mg|md|touch|delete|incr|decr) [\x21-\x7e]+[^\x00\r\n]*\r\n)"},
    {App::Memcached, kTcp, kClient,
     R"(^(set|add|replace|append|prepend)"
     R"(|cas) [\x21-\x7e]+ [0-9]+ -?[0-9]+ [0-9]+[^\x00\r\n]*\r\n)"},
    {App::Memcached, kTcp, kClient, R"(^(stats( [a-z]+)?|version|flush_all[^\x00\r\n]*|mn)\r\n)"},
    {App::Memcached, kTcp, kClient, R"(^\x80[\x00-\x25].{2}.\x00\x00\x00)"},
    {App::Memcached, kTcp, kServer,
     R"(^(VALUE [\x21-\x7e]+ [0-9]+ [0-9]+|STORED|NOT_STORED|STAT [a-z_]+ [^\r\n]*)"
     R"(|VERSION [0-9][^\r\n]*|END|HD|EN)\r\n)"},
    {App::Memcached, kTcp, kServer, R"(^\x81[\x00-\x25].{2}.\x00\x00[\x00-\x08])"},
    {App::Memcached, kUdp, kClient,
     R"(^.{2}\x00\x00\x00\x01\x00\x00(get|gets|set|add|stats|version|delete|incr|decr)[ \r])"},
    {App::Memcached, kUdp, kServer,
     R"(^.{2}\x00\x00\x00.\x00\x00(VALUE |STAT |STORED\r|END\r|VERSION ))"},
    // RDP (MS-RDPBCGR 2.2.1.1, 2.2.1.2): X.224 with a cookie or a negotiation.
    {App::Rdp, kTcp, kClient,
     R"(^\x03\x00\x00.[\x0e-\xff]\xe0\x00\x00.{2}\x00(Cookie: |tsv:|\x01[\x00-\x0f]\x08\x00))"},
    {App::Rdp, kTcp, kServer, R"(^\x03\x00\x00\x13\x0e\xd0.{4}\x00[\x02\x03].\x08\x00)"},
    // SMB (MS-SMB 2.2.3.1, MS-SMB2 2.2.1), over TCP directly or NetBIOS sessions (RFC 1002 4.3.2).
    {App::Smb, kTcp, kClient, R"(^\x00.{3}[\xff\xfe\xfd\xfc]SMB)"},
    {App::Smb, kTcp, kServer, R"(^\x00.{3}[\xff\xfe\xfd\xfc]SMB)"},
    {App::Smb, kTcp, kClient, R"(^\x81\x00\x00\x44\x20[A-P]{32}\x00\x20[A-P]{32}\x00)"},
    // LDAP (RFC 4511 4.1.1, 4.2) over TCP; over UDP as Active Directory's ping (MS-ADTS 6.3.3).
    {App::Ldap, kTcp, kClient,
     R"(^\x30.{1,5}\x02[\x01-\x04].{1,4}[\x42\x4a\x50\x60\x63\x66\x68\x6c\x6e\x77])"},
    {App::Ldap, kTcp, kServer,
     R"(^\x30.{1,5}\x02[\x01-\x04].{1,4}[\x61\x64\x65\x67\x69\x6b\x6d\x6f\x73\x78\x79])"},
    {App::Ldap, kUdp, kClient, R"(^\x30.{1,5}\x02[\x01-\x04].{1,4}\x63)"},
    {App::Ldap, kUdp, kServer, R"(^\x30.{1,5}\x02[\x01-\x04].{1,4}[\x64\x65])"},
    // Kerberos (RFC 4120 5.4, 5.9, 7.2.2).
    {App::Kerberos, kTcp, kClient,
     R"(^\x00.{3}[\x6a\x6c].{1,5}\x30.{1,5}\xa1\x03\x02\x01\x05\xa2\x03\x02\x01[\x0a\x0c])"},
    {App::Kerberos, kTcp, kServer,
     R"(^\x00.{3}[\x6b\x6d\x7e])"
     R"(.{1,5}\x30.{1,5}\xa0\x03\x02\x01\x05\xa1\x03\x02\x01[\x0b\x0d\x1e])"},
    {App::Kerberos, kUdp, kClient,
     R"(^[\x6a\x6c].{1,5}\x30.{1,5}\xa1\x03\x02\x01\x05\xa2\x03\x02\x01[\x0a\x0c])"},
    {App::Kerberos, kUdp, kServer,
     R"(^[\x6b\x6d\x7e].{1,5}\x30.{1,5}\xa0\x03\x02\x01\x05\xa1\x03\x02\x01[\x0b\x0d\x1e])"},
    // SIP (RFC 3261 7); either side of a UDP pair may ask.
    {App::Sip, kTcp, kClient, R"(^[A-Z]{3,16} [^\x00-\x20]+ SIP/2\.0\r?\n)"},
    {App::Sip, kTcp, kServer, R"(^SIP/2\.0 [1-6][0-9][0-9] )"},
    {App::Sip, kUdp, kClient,
     R"(^([A-Z]{3,16} [^\x00-\x20]+ SIP/2\.0\r?\n|SIP/2\.0 [1-6][0-9][0-9] ))"},
    {App::Sip, kUdp, kServer,
     R"(^([A-Z]{3,16} [^\x00-\x20]+ SIP/2\.0\r?\n|SIP/2\.0 [1-6][0-9][0-9] ))"},
    // RTSP (RFC 2326 6, 7; RFC 7826).
    {App::Rtsp, kTcp, kClient, R"(^[A-Z_]{3,16} [^\x00-\x20]+ RTSP/[12]\.0\r?\n)"},
    {App::Rtsp, kTcp, kServer, R"(^RTSP/[12]\.0 [1-5][0-9][0-9][ \r\n])"},
    // MQTT (versions 3.1, 3.1.1 and 5: 3.1 and 3.2).
    {App::Mqtt, kTcp, kClient, R"(^\x10.{1,4}(\x00\x04MQTT[\x04\x05]|\x00\x06MQIsdp\x03))"},
    {App::Mqtt, kTcp, kServer,
     R"(^\x20(\x02[\x00\x01][\x00-\x05]|[\x03-\x7f][\x00\x01][\x00\x80-\x9f]))"},
    // AMQP 0-9-1 (4.2.2) and 1.0 (2.2).
    {App::Amqp, kTcp, kClient,
     R"(^AMQP(\x00\x00\x09\x01|\x01\x01[\x00\x08\x09][\x00\x09\x0a\x01])"
     R"(|[\x00\x02\x03]\x01\x00\x00))"},
    {App::Amqp, kTcp, kServer, R"(^(AMQP[\x00-\x03][\x00\x01]|\x01\x00\x00.{4}\x00\x0a\x00\x0a))"},
    // Kafka protocol: length, API key, version, correlation, client id.
    {App::Kafka, kTcp, kClient,
     R"(^\x00.{3}\x00[\x00-\x50]\x00[\x00-\x14].{4}(\x00[\x01-\xff][\x20-\x7e]|\xff\xff))"},
    // BitTorrent (BEP 3, 5, 15, 29).
    {App::Bittorrent, kTcp, kClient, R"(^\x13BitTorrent protocol)"},
    {App::Bittorrent, kTcp, kServer, R"(^\x13BitTorrent protocol)"},
    {App::Bittorrent, kUdp, kClient,
     R"(^(d1:[are]|d2:(ip|ro)|\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00)"
     R"(|[\x01\x11\x21\x31\x41][\x00-\x03]))"},
    {App::Bittorrent, kUdp, kServer, R"(^(d1:[are]|d2:(ip|ro)|[\x01\x11\x21\x31\x41][\x00-\x03]))"},
    // WireGuard (protocol page, messages 1 to 3).
    {App::Wireguard, kUdp, kClient, R"(^[\x01]\x00\x00\x00)"},
    {App::Wireguard, kUdp, kServer, R"(^[\x02\x03]\x00\x00\x00)"},
    // OpenVPN (ssl_pkt.h): the hard resets.
    {App::Openvpn, kTcp, kClient, R"(^\x00.[\x38\x50])"},
    {App::Openvpn, kTcp, kClient, R"(^[\x01-\x04].\x50)"},
    {App::Openvpn, kTcp, kServer, R"(^\x00.\x40)"},
    {App::Openvpn, kUdp, kClient, R"(^[\x38\x50])"},
    {App::Openvpn, kUdp, kServer, R"(^\x40)"},
    // STUN (RFC 8489 5; RFC 3489 11.1), over TCP bare or framed (RFC 4571).
    {App::Stun, kTcp, kClient, R"(^(.{2})?[\x00-\x3f].{3}\x21\x12\xa4\x42)"},
    {App::Stun, kTcp, kServer, R"(^(.{2})?[\x00-\x3f].{3}\x21\x12\xa4\x42)"},
    {App::Stun, kUdp, kClient, R"(^[\x00-\x3f].{3}\x21\x12\xa4\x42)"},
    {App::Stun, kUdp, kServer, R"(^[\x00-\x3f].{3}\x21\x12\xa4\x42)"},
    {App::Stun, kUdp, kClient, R"(^\x00[\x01\x03].[\x00\x04\x08\x0c\x10\x14\x18\x1c\x20])"},
    {App::Stun, kUdp, kServer, R"(^\x01[\x01\x03\x11\x13]..)"},
    // SNMP (RFC 1157 4, RFC 3416, RFC 3412 6).
    {App::Snmp, kUdp, kClient, R"(^\x30.{1,5}\x02\x01[\x00\x01\x03][\x04\x30])"},
    {App::Snmp, kUdp, kServer, R"(^\x30.{1,5}\x02\x01[\x00\x01\x03][\x04\x30])"},
    // Syslog (RFC 3164 4.1, RFC 5424 6, RFC 6587 3.4).
    {App::Syslog, kUdp, kClient, R"(^<([0-9]|[1-9][0-9]|1[0-8][0-9]|19[01])>[\x20-\x7e\xef])"},
    {App::Syslog, kTcp, kClient,
     R"(^([1-9][0-9]{0,4} )?<([0-9]|[1-9][0-9]|1[0-8][0-9]|19[01])>(1 )"
     R"(|[A-Z][a-z]{2} [ 0-3][0-9] ))"},
    // TFTP (RFC 1350 5, RFC 2347). A server answers from a port of its own.
    {App::Tftp, kUdp, kClient, R"((?i)^\x00[\x01\x02][\x20-\x7e]+\x00(netascii|octet|mail)\x00)"},
    {App::Tftp, kUdp, kClient,
     R"(^\x00(\x03\x00\x01|\x04\x00[\x00\x01]|\x05\x00[\x00-\x08]|\x06[a-zA-Z]))"},
    {App::Tftp, kUdp, kServer,
     R"(^\x00(\x03\x00\x01|\x04\x00[\x00\x01]|\x05\x00[\x00-\x08]|\x06[a-zA-Z]))"},
    // Telnet (RFC 854): an option negotiation.
    {App::Telnet, kTcp, kClient, R"(^\xff[\xfb-\xfe][\x00-\x31\xff])"},
    {App::Telnet, kTcp, kServer, R"(^\xff[\xfb-\xfe][\x00-\x31\xff])"},
    // RFB, which VNC speaks (RFC 6143 7.1.1).
    {App::Vnc, kTcp, kClient, R"(^RFB 00[3-5]\.[0-9]{3}\n)"},
    {App::Vnc, kTcp, kServer, R"(^RFB 00[3-5]\.[0-9]{3}\n)"},
    // Git's own transport (gitprotocol-pack).
    {App::Git, kTcp, kClient, R"(^[0-9a-f]{4}git-(upload-pack|receive-pack|upload-archive) /)"},
    {App::Git, kTcp, kServer, R"(^[0-9a-f]{4}([0-9a-f]{40} |version [12]\n|ERR ))"},
    // NTP (RFC 5905 7.3), DHCP (RFC 2131 2, RFC 8415 8), QUIC (RFC 8999 5.1): shape tests.
    {App::Ntp, kUdp, kClient, R"(^[\x01-\x3f\xc8-\xff\x97\xd7])"},
    {App::Ntp, kUdp, kServer, R"(^[\x01-\x3f\xc0-\xff\x97\xd7])"},
    {App::Dhcp, kUdp, kClient, R"(^[\x01\x02][\x01-\xff][\x00-\x10])"},
    {App::Dhcp, kUdp, kServer, R"(^[\x01\x02][\x01-\xff][\x00-\x10])"},
    {App::Dhcp, kUdp, kClient, R"(^[\x01-\x0d].{3}\x00[\x01-\x7f]\x00)"},
    {App::Dhcp, kUdp, kServer, R"(^[\x02\x07\x0a\x0d].{3}\x00[\x01-\x7f]\x00)"},
    {App::Quic, kUdp, kClient, R"(^[\xc0-\xff].{4})"},
    {App::Quic, kUdp, kClient, R"(^[\x09\x0d\x19\x1d\x29\x2d\x39\x3d].{8}Q0)"},
    {App::Quic, kUdp, kServer, R"(^[\x80-\xff].{4})"},
});

}  // namespace

std::span<const AppPattern> app_patterns() { return kPatterns; }

}  // namespace sluice
