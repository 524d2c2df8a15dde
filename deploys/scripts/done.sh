# Every gate opened: release $id is the one to come back to. Drop the oldest beyond $keep.
switch "$id" verified
cd releases
rm -rf .kept
ls -1t | grep -vxF "$id" | tail -n "+$keep" | xargs -r rm -rf
