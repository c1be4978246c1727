/** The subscriptions of a dashboard. */

export const enrolmentsStream = /* GraphQL */ `
  subscription Enrolments($schoolId: ID!, $classId: ID, $after: String) {
    enrolments(schoolId: $schoolId, classId: $classId, after: $after) {
      __typename
      ... on EnrolmentChange { cursor kind studentId student { id surname } class { id name } fromClass { id } enrolment { id endedAt } }
      ... on Checkpoint { cursor }
      ... on ResyncRequired { oldest }
      ... on Ended { reason cursor }
    }
  }
`;

export const chatsStream = /* GraphQL */ `
  subscription Chats($schoolId: ID!, $after: String) {
    chats(schoolId: $schoolId, after: $after) {
      __typename
      ... on ChatChange { cursor kind chatId chat { id name kind } user { id } }
      ... on Checkpoint { cursor }
      ... on ResyncRequired { oldest }
      ... on Ended { reason cursor }
    }
  }
`;

export const eventsStream = /* GraphQL */ `
  subscription Events($schoolId: ID!, $types: [EventType!], $after: String) {
    events(schoolId: $schoolId, types: $types, after: $after) {
      __typename
      ... on EventNotice { cursor event { seq type ids actorKind } }
      ... on Checkpoint { cursor }
      ... on ResyncRequired { oldest }
      ... on Ended { reason cursor }
    }
  }
`;
