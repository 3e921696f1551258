# Makes the accounts of a domain for specs: one of every kind that a logon can fail for. Arguments: smb.conf, their password.
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

USERS = "bob alice carol locked disabled pwexpired mustchange acexpired hours station protected"
LONG_AGO = "131000000000000000"  # 2016, as FILETIME

lp = LoadParm()
lp.load(sys.argv[1])
db = SamDB(session_info=system_session(lp), lp=lp)
base = str(db.domain_dn())


def change(where, user, attribute, value):
    message = ldb.Message()
    message.dn = ldb.Dn(where, "CN=%s,CN=Users,%s" % (user, base))
    message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    where.modify(message)


db.transaction_start()
for user in USERS.split():
    db.newuser(user, sys.argv[2])
    db.setexpiry("(sAMAccountName=%s)" % user, 0, no_expiry_req=True)
change(db, "disabled", "userAccountControl", "514")
change(db, "mustchange", "pwdLastSet", "0")
change(db, "mustchange", "userAccountControl", "512")
change(db, "pwexpired", "userAccountControl", "512")
change(db, "acexpired", "accountExpires", "116444736000000001")
change(db, "hours", "logonHours", b"\0" * 21)
change(db, "station", "userWorkstations", "ELSEWHERE")
db.add_remove_group_members("Protected Users", ["protected"], add_members_operation=True)
db.transaction_commit()

# When a password was set is the database's own to say: past its modules.
raw = ldb.Ldb("tdb://" + lp.private_path("sam.ldb.d/%s.ldb" % base.upper()), options=["modules:"])
change(raw, "pwexpired", "pwdLastSet", LONG_AGO)
