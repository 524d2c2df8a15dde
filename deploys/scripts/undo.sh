# Do $then; where that fails, take $fresh away again: a repository that cannot be read would stop every other update.
rc=0
sh -c "$then" || rc=$?
[ $rc = 0 ] || rm -f $fresh
exit $rc
