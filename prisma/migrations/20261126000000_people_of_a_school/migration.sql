-- The people of a school in the order of the alphabet: without an index of the school's own, a page of them was looked
-- for among the people of all schools. The key is the person's, and the database keeps it so.
ALTER TABLE "role_grant" ADD COLUMN "sort_key" TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE "role_grant" SET "sort_key" = "app_user"."sort_key" FROM "app_user" WHERE "app_user"."id" = "role_grant"."user_id";

-- The lock lets a change of the name come wholly before or wholly after.
CREATE FUNCTION "role_grant_takes_sort_key"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT "sort_key" INTO NEW."sort_key" FROM "app_user" WHERE "id" = NEW."user_id" FOR SHARE;
    NEW."sort_key" := coalesce(NEW."sort_key", '');
    RETURN NEW;
END
$$;
CREATE TRIGGER "role_grant_takes_sort_key" BEFORE INSERT ON "role_grant" FOR EACH ROW EXECUTE FUNCTION "role_grant_takes_sort_key"();

CREATE FUNCTION "role_grant_follows_sort_key"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE "role_grant" SET "sort_key" = NEW."sort_key" WHERE "user_id" = NEW."id";
    RETURN NULL;
END
$$;
CREATE TRIGGER "role_grant_follows_sort_key" AFTER UPDATE OF "sort_key" ON "app_user" FOR EACH ROW
    WHEN (OLD."sort_key" IS DISTINCT FROM NEW."sort_key") EXECUTE FUNCTION "role_grant_follows_sort_key"();

CREATE INDEX "role_grant_people_idx" ON "role_grant"("school_id", "sort_key", "user_id") WHERE "ended_at" IS NULL;

-- All people of all schools in one order: nobody asks for that.
DROP INDEX "app_user_sort_key_id_idx";

-- A name is looked for among the people of one school; found among those of all, most are of other schools.
DROP INDEX "app_user_search_text_idx";
