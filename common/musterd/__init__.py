"""musterd: which members of a group are alive right now?"""
